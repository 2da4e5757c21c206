import type { TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import type { Pod } from '../../kube/core.ts';
import { timestamp, type Wanted, withConditions } from '../conditions.ts';
import type { Observed } from '../observe.ts';
import { attemptOf, indexOf, type WorkerState, workerState } from '../restart.ts';
import { type Job, selectorOf } from './labels.ts';

/** Shortest time between two writes of progress alone. */
const progressEveryMs = 15_000;

/** What every written status carries. */
export function settle(observed: Observed, status: TrainingJobStatus, wanted: readonly Wanted[]): TrainingJobStatus {
  const { identity, nowMs } = observed;
  const kept = { ...status, observedGeneration: identity.generation, selector: selectorOf(identity) };
  if (status.workers !== undefined) kept.replicas = status.workers.created;
  return withConditions(kept, identity.generation, nowMs, wanted);
}

/** Counts of a group of which no pod exists yet. */
export const noWorkers = { desired: 0, created: 0, ready: 0, succeeded: 0, failed: 0 };

/** How many pods of the current attempt are how far. */
export function countWorkers(observed: Observed, job: Job): NonNullable<TrainingJobStatus['workers']> {
  const attempt = observed.status.attempt ?? 0;
  const desired = job.spec.workers.replicas;
  const states = observed.pods
    .filter((pod) => isMember(pod, attempt, Number.MAX_SAFE_INTEGER))
    .map((pod) => workerState(pod, observed.nowMs));
  const count = (holds: (state: WorkerState) => boolean) => states.filter(holds).length;
  const ready = count((state) => state.kind === 'running' && state.ready);
  return {
    desired,
    created: states.length,
    ready,
    succeeded: count((state) => state.kind === 'succeeded'),
    failed: count((state) => state.kind === 'failed'),
    summary: `${ready}/${desired}`,
  };
}

/** Copies rank 0's newest report into the status: every 15 s, and at the end of an attempt at once. */
export function withProgress(status: TrainingJobStatus, observed: Observed, last: boolean): TrainingJobStatus {
  const { report, nowMs } = observed;
  if (report === undefined || report.attempt !== status.attempt) return status;
  const { time, ...known } = status.progress ?? { time: '' };
  const dueMs = Date.parse(time) + progressEveryMs;
  if (nowMs < dueMs && !last) return status;
  const checkpoint = report.checkpoint ?? status.checkpoint;
  const same = JSON.stringify(sorted(known)) === JSON.stringify(sorted(report.progress));
  if (same && checkpoint?.step === status.checkpoint?.step) return status;
  const next = { ...status, progress: { ...report.progress, time: timestamp(nowMs) } };
  return checkpoint === undefined ? next : { ...next, checkpoint };
}

function sorted(record: object): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** True for a pod of this attempt whose index is one of the group's. */
export function isMember(pod: Pod, attempt: number, size: number): boolean {
  const index = indexOf(pod);
  return attemptOf(pod) === attempt && index >= 0 && index < size;
}
