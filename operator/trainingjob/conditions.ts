import type { Condition, ConditionType, Phase, TrainingJobStatus } from '@hayate/crds/trainingjob.ts';

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

export function conditionOf(status: TrainingJobStatus, type: ConditionType): Condition | undefined {
  return status.conditions?.find((condition) => condition.type === type);
}

export function isTrue(status: TrainingJobStatus, type: ConditionType): boolean {
  return conditionOf(status, type)?.status === 'True';
}

/** True once a job has ended for good; nothing starts it again. */
export function isFinished(status: TrainingJobStatus): boolean {
  return isTrue(status, 'Succeeded') || isTrue(status, 'Failed');
}

/** A condition that a planner wants; time and generation are added by {@link withConditions}. */
export interface Wanted {
  type: ConditionType;
  status: boolean;
  reason: string;
  message: string;
}

const maxMessageLength = 2048;

/**
 * Sets conditions; lastTransitionTime moves only when a status does. A condition that was never true is not added as
 * false, except Running, which says why nothing runs.
 */
export function withConditions(
  status: TrainingJobStatus,
  generation: number,
  nowMs: number,
  wanted: readonly Wanted[],
): TrainingJobStatus {
  const conditions = [...(status.conditions ?? [])];
  for (const { type, status: holds, reason, message } of wanted) {
    const at = conditions.findIndex((condition) => condition.type === type);
    const before = conditions[at];
    if (before === undefined && !holds && type !== 'Running' && type !== 'Accepted') continue;
    const value = holds ? 'True' : 'False';
    const condition: Condition = {
      type,
      status: value,
      observedGeneration: generation,
      lastTransitionTime: before?.status === value ? before.lastTransitionTime : timestamp(nowMs),
      reason,
      message: message.slice(0, maxMessageLength),
    };
    if (at < 0) conditions.push(condition);
    else conditions[at] = condition;
  }
  const next = { ...status, conditions };
  return { ...next, phase: phaseOf(next) };
}

/** The printable summary of the conditions. */
function phaseOf(status: TrainingJobStatus): Phase {
  if (isTrue(status, 'Failed')) return 'Failed';
  if (isTrue(status, 'Succeeded')) return 'Succeeded';
  if (isTrue(status, 'Suspended')) return 'Suspended';
  if (isTrue(status, 'Running')) return 'Running';
  if (isTrue(status, 'Restarting')) return 'Restarting';
  return (status.attempt ?? 0) > 0 ? 'Starting' : 'Pending';
}
