import { classSentences, type FailureClass, failureClass, permanentClasses } from '@hayate/crds/exit-codes.ts';
import type { Failure, TrainingJobSpec } from '@hayate/crds/trainingjob.ts';
import { labels, type TerminationMessage, terminationMessage } from '@hayate/crds/worker-config.ts';
import type { Pod, Terminated } from '../kube/core.ts';
import { timestamp } from './conditions.ts';

/** Why a worker ended: by its exit code, or what the operator saw happen to its pod. */
type CauseClass = FailureClass | 'podDeleted' | 'podFailed' | 'startupTimeout';

/** A worker that will not finish its work. */
export interface Ending {
  class: CauseClass;
  rank: number;
  pod: string;
  exitCode?: number;
  reason: string;
  message: string;
  step?: number;
  timeMs: number;
}

/** How far a worker's pod has come; the first container is the worker, others do not count. */
export type WorkerState =
  | { kind: 'waiting'; problem: string | undefined }
  | { kind: 'running'; ready: boolean }
  | { kind: 'succeeded' }
  | { kind: 'failed'; ending: Ending };

/** Worker index of a pod, −1 when its label is not one. */
export function indexOf(pod: Pod): number {
  return labelNumber(pod, labels.workerIndex);
}

/** Attempt of a pod, −1 when its label is not one. */
export function attemptOf(pod: Pod): number {
  return labelNumber(pod, labels.attempt);
}

function labelNumber(pod: Pod, label: string): number {
  const text = pod.metadata.labels?.[label] ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : -1;
}

/** Reads a pod; `nowMs` dates what carries no time of its own. */
export function workerState(pod: Pod, nowMs: number): WorkerState {
  const name = pod.spec.containers[0]?.name;
  const status = pod.status?.containerStatuses?.find((container) => container.name === name);
  const terminated = status?.state?.terminated;
  if (terminated !== undefined) {
    if (terminated.exitCode === 0) return { kind: 'succeeded' };
    return { kind: 'failed', ending: endingOf(pod, terminated, nowMs) };
  }
  if (pod.status?.phase === 'Succeeded') return { kind: 'succeeded' };
  if (pod.status?.phase === 'Failed') {
    const reason = pod.status.reason ?? 'PodFailed';
    const message = pod.status.message ?? 'the pod failed without an exit code of its worker';
    return { kind: 'failed', ending: podEnding(pod, 'podFailed', reason, message, nowMs) };
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    return {
      kind: 'failed',
      ending: podEnding(pod, 'podDeleted', 'PodDeleted', 'the pod was deleted while the job ran', nowMs),
    };
  }
  if (status?.state?.running !== undefined) return { kind: 'running', ready: status.ready === true };
  return { kind: 'waiting', problem: waitingProblem(pod, status?.state?.waiting) };
}

function endingOf(pod: Pod, terminated: Terminated, nowMs: number): Ending {
  const said = parseMessage(terminated.message);
  const finishedMs = Date.parse(terminated.finishedAt ?? '');
  const kind = failureClass(terminated.exitCode);
  return {
    class: kind,
    rank: indexOf(pod),
    pod: pod.metadata.name,
    exitCode: terminated.exitCode,
    reason: said?.reason || terminated.reason || capitalised(kind),
    message: said?.message || (terminated.message ?? '').slice(-1024).trim() || classSentences[kind],
    ...(said?.step === undefined ? {} : { step: said.step }),
    timeMs: Number.isNaN(finishedMs) ? nowMs : finishedMs,
  };
}

function podEnding(pod: Pod, kind: CauseClass, reason: string, message: string, nowMs: number): Ending {
  return { class: kind, rank: indexOf(pod), pod: pod.metadata.name, reason, message, timeMs: nowMs };
}

function parseMessage(text: string | undefined): TerminationMessage | undefined {
  if (text === undefined || text.length > 4096) return undefined;
  try {
    return terminationMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Reasons with which a container waits until somebody changes something. */
const stuckReasons: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerConfigError',
  'CreateContainerError',
]);

function waitingProblem(pod: Pod, waiting: { reason?: string } | undefined): string | undefined {
  const unscheduled = pod.status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'False');
  if (unscheduled?.reason === 'Unschedulable') return `Unschedulable: ${unscheduled.message ?? 'no node fits'}`;
  if (waiting?.reason === undefined || !stuckReasons.has(waiting.reason)) return undefined;
  // A kubelet alternates between the two while it tries; one word keeps the status still.
  return waiting.reason === 'ErrImagePull' ? 'ImagePullBackOff' : waiting.reason;
}

/** Smaller = closer to the root: a program that threw explains a lost peer, never the other way round. */
function distance(kind: CauseClass): number {
  switch (kind) {
    case 'peerLost':
      return 3;
    case 'exchangeTimeout':
    case 'fenced':
      return 2;
    case 'terminated':
    case 'podDeleted':
    case 'startupTimeout':
      return 1;
    case 'done':
    case 'configuration':
    case 'program':
    case 'outOfMemory':
    case 'memoryPlanInfeasible':
    case 'nonFinite':
    case 'engineMissing':
    case 'storage':
    case 'deviceFailed':
    case 'killed':
    case 'unknown':
    case 'podFailed':
      return 0;
    default:
      return unreachable(kind);
  }
}

/** How long a group in which only lost peers are known is given for the first cause to be reported. */
const causeGraceMs = 3000;

export type FirstCause = { kind: 'known'; ending: Ending } | { kind: 'wait'; delayMs: number };

/**
 * Who failed first: the ending closest to a root, then the earliest by its own clock, then the lowest rank. When only
 * lost peers have been reported and `others` workers are still to end, waits a little for the culprit's report.
 */
export function firstCause(endings: readonly [Ending, ...Ending[]], others: number, nowMs: number): FirstCause {
  const [ending] = endings.toSorted(
    (a, b) => distance(a.class) - distance(b.class) || a.timeMs - b.timeMs || a.rank - b.rank,
  ) as [Ending, ...Ending[]];
  const agedMs = nowMs - ending.timeMs;
  // A finish time in the future is a node with a wrong clock: waiting for it to pass could take hours.
  const worthwhile = ending.class === 'peerLost' && others > 0 && agedMs >= -1000 && agedMs < causeGraceMs;
  return worthwhile ? { kind: 'wait', delayMs: causeGraceMs - Math.max(0, agedMs) } : { kind: 'known', ending };
}

export type Verdict =
  | { kind: 'restart'; failures: Failure[]; delaySeconds: number; reason: string; message: string }
  | { kind: 'fail'; failures: Failure[]; reason: string; message: string };

const historyLength = 10;

/** What a failed attempt leads to: another one after a delay, or the end. `failures` is the new history, newest first. */
export function judge(
  ending: Ending,
  attempt: number,
  history: readonly Failure[],
  restarts: number,
  policy: TrainingJobSpec['failurePolicy'],
): Verdict {
  const failures = [recordOf(ending, attempt), ...history].slice(0, historyLength);
  const reason = capitalised(ending.class);
  const message = describe(ending);
  if (permanentClasses.has(ending.class as FailureClass)) return { kind: 'fail', failures, reason, message };
  if (restarts >= policy.maxRestarts) {
    const used = policy.maxRestarts === 0 ? 'no restart is allowed' : `all ${policy.maxRestarts} restarts are used`;
    return { kind: 'fail', failures, reason: 'MaxRestartsReached', message: `${message}; ${used}` };
  }
  return { kind: 'restart', failures, delaySeconds: delaySeconds(failures, policy.backoff), reason, message };
}

/** One sentence: who, how, and what it said. */
function describe(ending: Ending): string {
  const code = ending.exitCode === undefined ? '' : ` (exit code ${ending.exitCode})`;
  return `${ending.pod} (rank ${ending.rank}) ended first${code}: ${ending.reason}: ${ending.message}`.slice(0, 1024);
}

function recordOf(ending: Ending, attempt: number): Failure {
  return {
    attempt,
    class: ending.class,
    rank: ending.rank,
    pod: ending.pod,
    ...(ending.exitCode === undefined ? {} : { exitCode: ending.exitCode }),
    reason: ending.reason.slice(0, 256),
    message: ending.message.slice(0, 1024),
    ...(ending.step === undefined ? {} : { step: ending.step }),
    time: timestamp(ending.timeMs),
  };
}

/**
 * Delay before the next attempt: initial · factor^(k−1) for the k-th failure in a row, at most maxSeconds. A row ends
 * where the time between two failures, less the delay in between, reached resetAfterSeconds. Everything comes from the
 * history, so a restarted operator waits as long as its predecessor would have.
 */
export function delaySeconds(
  newestFirst: readonly Failure[],
  backoff: TrainingJobSpec['failurePolicy']['backoff'],
): number {
  const delayOf = (row: number) => Math.min(backoff.maxSeconds, backoff.initialSeconds * backoff.factor ** (row - 1));
  let row = 0;
  let previousMs: number | undefined;
  for (const failure of newestFirst.toReversed()) {
    const timeMs = Date.parse(failure.time);
    const ranSeconds = previousMs === undefined ? 0 : (timeMs - previousMs) / 1000 - delayOf(row);
    row = previousMs === undefined || ranSeconds >= backoff.resetAfterSeconds ? 1 : row + 1;
    previousMs = timeMs;
  }
  return row === 0 ? 0 : delayOf(row);
}

/** `exchangeTimeout` → `ExchangeTimeout`, the form that condition reasons have. */
function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function unreachable(value: never): never {
  throw new Error(`unknown failure class ${String(value)}`);
}
