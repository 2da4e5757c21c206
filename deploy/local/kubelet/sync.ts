import type { Grant } from './gpus.ts';
import type { Pod } from './pod.ts';

/** Where the process of a pod stands. Times are milliseconds since 1970. */
export type ProcessState =
  | { kind: 'none' }
  | RunningProcess
  | {
      kind: 'ended';
      ip?: string;
      startedMs: number;
      finishedMs: number;
      exitCode: number;
      reason: string;
      message: string;
    };

export interface RunningProcess {
  kind: 'running';
  pid: number;
  ip: string;
  startedMs: number;
  ready: boolean;
  stopping?: { graceSeconds: number; killAtMs: number };
  killed?: boolean;
}

/** What the kubelet does next for one pod, in order. */
export type Action =
  | { kind: 'start' }
  /** Nothing can be given to it now: the pod waits, and its status says why. */
  | { kind: 'wait'; message: string }
  /** SIGTERM to the process group, unless it had one; SIGKILL is due at `killAtMs`. */
  | { kind: 'terminate'; graceSeconds: number; killAtMs: number }
  /** SIGKILL to the process group. */
  | { kind: 'kill' }
  | { kind: 'report' }
  /** DELETE with grace 0: the API may forget the pod. */
  | { kind: 'finalize' }
  /** The API has forgotten the pod: so do we. */
  | { kind: 'forget' };

export interface SyncPlan {
  actions: Action[];
  /** Look again after this time even if nothing happens. */
  wakeInMs?: number;
}

const defaultGraceSeconds = 30;

/**
 * Decides what to do for one pod: `pod` as the API has it (undefined = deleted there), `process` as it stands here.
 * A pod bound to another node is somebody else's. `grant` is what a pod that has not started would get.
 */
export function planSync(
  pod: Pod | undefined,
  process: ProcessState,
  nodeName: string,
  nowMs: number,
  grant: Grant,
): SyncPlan {
  if (pod === undefined) return process.kind === 'running' ? killOnce(process) : { actions: [{ kind: 'forget' }] };
  const bound = pod.spec.nodeName ?? '';
  if (bound !== '' && bound !== nodeName) return { actions: [] };
  const deleting = pod.metadata.deletionTimestamp !== undefined;
  switch (process.kind) {
    case 'none':
      if (deleting) return { actions: [{ kind: 'finalize' }] };
      if (isOver(pod)) return { actions: [] };
      return {
        actions: grant.ok ? [{ kind: 'start' }, { kind: 'report' }] : [{ kind: 'wait', message: grant.message }],
      };
    case 'running':
      return deleting ? planStop(pod, process, nowMs) : { actions: [{ kind: 'report' }] };
    case 'ended':
      return { actions: deleting ? [{ kind: 'report' }, { kind: 'finalize' }] : [{ kind: 'report' }] };
    default:
      return assertNever(process);
  }
}

/** A later DELETE may shorten the grace period, never lengthen it. */
function planStop(pod: Pod, process: RunningProcess, nowMs: number): SyncPlan {
  const graceSeconds =
    pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  const { stopping } = process;
  if (stopping === undefined || graceSeconds < stopping.graceSeconds) {
    const killAtMs = Math.min(nowMs + graceSeconds * 1000, stopping?.killAtMs ?? Number.POSITIVE_INFINITY);
    return { actions: [{ kind: 'terminate', graceSeconds, killAtMs }], wakeInMs: Math.max(0, killAtMs - nowMs) };
  }
  if (nowMs >= stopping.killAtMs) return killOnce(process);
  return { actions: [{ kind: 'report' }], wakeInMs: stopping.killAtMs - nowMs };
}

function killOnce(process: RunningProcess): SyncPlan {
  return { actions: process.killed === true ? [] : [{ kind: 'kill' }] };
}

function isOver(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
