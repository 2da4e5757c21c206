import type { TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import type { Pod, Service } from '../kube/core.ts';
import type { Happening } from '../kube/events.ts';
import { conditionOf, isFinished, isTrue, timestamp, type Wanted } from './conditions.ts';
import type { Job } from './desired/labels.ts';
import { desiredPod, podName } from './desired/pod.ts';
import { desiredService, serviceRepair } from './desired/service.ts';
import { countWorkers, isMember, noWorkers, settle, withProgress } from './desired/status.ts';
import type { Observed } from './observe.ts';
import { type Ending, firstCause, indexOf, judge, type WorkerState, workerState } from './restart.ts';

/** One API call. */
export type Action =
  | { kind: 'createService'; service: Service }
  | { kind: 'patchService'; name: string; patch: object }
  | { kind: 'createPod'; pod: Pod }
  | { kind: 'deletePod'; name: string; uid: string }
  | { kind: 'deleteJob'; name: string; uid: string };

/** Where rank 0 of the running attempt reports its progress. */
export interface ReportSource {
  uid: string;
  attempt: number;
  address: string;
}

/** What to do and why. A decision is first written to the status and acted on by the next pass, never both at once. */
export interface Plan {
  actions: Action[];
  status: TrainingJobStatus;
  events: Happening[];
  requeueAfterMs?: number;
  reportSource?: ReportSource;
  /** For logs: why this plan. */
  reason: string;
}

export interface PlanSettings {
  /** Image of workers whose template names none. */
  workerImage: string;
}

/**
 * What a TrainingJob needs next; pure. A job is always in one of these places, told by its status alone:
 * finished · suspended · between attempts (attempt 0, Suspended, or restarts.nextTime set) · in attempt N.
 * An attempt ends in the status before any of its pods is deleted, and begins there before any of its pods is made:
 * so a crash between two writes loses no cause, no count and no attempt number.
 */
export function planJob(observed: Observed, settings: PlanSettings): Plan {
  const { job, status } = observed;
  if (observed.deleting) return unchanged(observed, 'being deleted: its children go with it');
  if (job === undefined) return refuse(observed);
  if (isFinished(status)) return cleanUp(observed, job);
  if (job.spec.suspend) return suspend(observed, job);
  if (isBetweenAttempts(status)) return prepare(observed, job);
  return attend(observed, job, settings);
}

function isBetweenAttempts(status: TrainingJobStatus): boolean {
  return (status.attempt ?? 0) === 0 || isTrue(status, 'Suspended') || status.restarts?.nextTime !== undefined;
}

function unchanged(observed: Observed, reason: string): Plan {
  return { actions: [], status: observed.status, events: [], reason };
}

function refuse(observed: Observed): Plan {
  const message = observed.problems.join('; ');
  const known = conditionOf(observed.status, 'Accepted');
  const status = settle(observed, observed.status, [
    {
      type: 'Accepted',
      status: false,
      reason: 'Invalid',
      message: `correct the manifest and apply it again: ${message}`,
    },
  ]);
  const news = known?.status !== 'False' || known.message !== conditionOf(status, 'Accepted')?.message;
  return { actions: [], status, events: news ? [warning('Invalid', message)] : [], reason: 'the spec is invalid' };
}

function cleanUp(observed: Observed, job: Job): Plan {
  const { pods, cleanup, status, nowMs } = { ...observed, cleanup: job.spec.cleanup };
  const doomed = pods.filter((pod) => {
    if (cleanup.pods === 'None') return false;
    return cleanup.pods === 'All' || isUnfinished(pod, nowMs);
  });
  const current = (status.conditions ?? []).map((c) => ({ ...c, observedGeneration: job.generation }));
  const plan = {
    actions: deletions(doomed),
    status: { ...status, observedGeneration: job.generation, conditions: current },
    events: [],
    reason: 'finished',
  };
  const ttl = cleanup.ttlSecondsAfterFinished;
  if (ttl === undefined) return plan;
  const leftMs = Date.parse(status.completionTime ?? timestamp(nowMs)) + ttl * 1000 - nowMs;
  if (leftMs > 0) return { ...plan, requeueAfterMs: leftMs };
  return {
    ...plan,
    actions: [{ kind: 'deleteJob', name: job.name, uid: job.uid }],
    reason: 'its time to live is over',
  };
}

function suspend(observed: Observed, job: Job): Plan {
  const { status, pods } = observed;
  const { startTime: _start, ...stopped } = status;
  const why = { reason: 'Suspended', message: 'spec.suspend is true; all workers are deleted' };
  const { nextTime: _, ...restarts } = { counted: 0, ...status.restarts };
  const next = settle(observed, { ...stopped, restarts, workers: countWorkers(observed, job) }, [
    accepted,
    { type: 'Running', status: false, ...why },
    { type: 'Restarting', status: false, ...why },
    { type: 'Suspended', status: true, ...why },
  ]);
  if (!isTrue(status, 'Suspended')) {
    return { actions: [], status: next, events: [normal('Suspended', why.message)], reason: 'suspended' };
  }
  return { actions: deletions(pods), status: next, events: [], reason: 'suspended' };
}

/** Between two attempts: every pod must be gone and the delay over before the next attempt gets its number. */
function prepare(observed: Observed, job: Job): Plan {
  const { status, pods, nowMs } = observed;
  if (pods.length > 0) {
    const next = settle(observed, { ...status, workers: countWorkers(observed, job) }, [accepted]);
    return { actions: deletions(pods), status: next, events: [], reason: 'waiting for pods of the last attempt to go' };
  }
  const waitMs = Date.parse(status.restarts?.nextTime ?? '') - nowMs;
  if (waitMs > 0) {
    const next = settle(observed, { ...status, workers: countWorkers(observed, job) }, [accepted]);
    return { actions: [], status: next, events: [], requeueAfterMs: waitMs, reason: 'waiting for the backoff' };
  }
  const attempt = (status.attempt ?? 0) + 1;
  const message = `attempt ${attempt} starts with ${job.spec.workers.replicas} workers`;
  const { nextTime: _, ...restarts } = { counted: 0, ...status.restarts };
  const started: TrainingJobStatus = {
    ...status,
    attempt,
    restarts,
    workers: { ...noWorkers, desired: job.spec.workers.replicas, summary: `0/${job.spec.workers.replicas}` },
    replicas: 0,
    startTime: status.startTime ?? timestamp(nowMs),
  };
  const next = settle(observed, started, [
    accepted,
    { type: 'Suspended', status: false, reason: 'Resumed', message },
    { type: 'Running', status: false, reason: 'Starting', message },
  ]);
  return { actions: [], status: next, events: [normal('Started', message)], reason: message };
}

/** In attempt N: makes what is missing until the group was complete once; then every loss ends the attempt. */
function attend(observed: Observed, job: Job, settings: PlanSettings): Plan {
  const { status, pods, nowMs } = observed;
  const attempt = status.attempt ?? 0;
  const size = job.spec.workers.replicas;
  const workers = countWorkers(observed, job);
  if (status.workers !== undefined && status.workers.desired !== size) return regroup(observed, job);

  const mine = pods.filter((pod) => isMember(pod, attempt, size));
  const states = mine.map((pod) => workerState(pod, nowMs));
  const missing = Array.from({ length: size }, (_, i) => i).filter((i) => !mine.some((pod) => indexOf(pod) === i));
  const wasComplete = status.workers !== undefined && status.workers.created >= size;
  const endings = states.flatMap((state) => (state.kind === 'failed' ? [state.ending] : []));
  if (wasComplete) endings.push(...missing.map((index) => vanished(job, index, attempt, nowMs)));

  const soon: number[] = [];
  const [ending, ...more] = endings;
  if (ending !== undefined) {
    const others = states.filter((state) => state.kind === 'running' || state.kind === 'waiting').length;
    const first = firstCause([ending, ...more], others, nowMs);
    if (first.kind === 'known') return endAttempt(observed, job, first.ending);
    soon.push(first.delayMs);
  } else if (mine.length === size && states.every((state) => state.kind === 'succeeded')) {
    return succeed(observed, job);
  }

  const allReady = mine.length === size && states.every(isUp);
  const running = isTrue(status, 'Running') || allReady;
  if (!running && mine.length > 0) {
    const startedMs = Math.min(...mine.map((pod) => Date.parse(pod.metadata.creationTimestamp ?? timestamp(nowMs))));
    const leftMs = startedMs + job.spec.limits.startupSeconds * 1000 - nowMs;
    if (leftMs <= 0) return endAttempt(observed, job, tooSlow(mine, states, job, nowMs));
    soon.push(leftMs);
  }

  const stale = pods.filter((pod) => !mine.includes(pod));
  const service = serviceActions(observed, job);
  // A pod that does not belong to this attempt must be gone before another one is made.
  const create: Action[] =
    stale.length > 0 || wasComplete || endings.length > 0
      ? []
      : missing.map((index) => ({ kind: 'createPod', pod: desiredPod(job, index, attempt, settings.workerImage) }));
  const next = settle(
    observed,
    withProgress({ ...status, workers }, observed, false),
    running ? runningConditions(attempt) : [accepted, startingCondition(attempt, size, mine, states)],
  );
  const source = reportSource(job, attempt, mine, states);
  const began = running && !isTrue(status, 'Running');
  return {
    actions: [...deletions(stale), ...service, ...create],
    status: next,
    events: began ? [normal('Running', `attempt ${attempt}: all ${size} workers are ready`)] : [],
    ...(soon.length === 0 ? {} : { requeueAfterMs: Math.min(...soon) }),
    ...(source === undefined ? {} : { reportSource: source }),
    reason: running ? 'running' : 'starting',
  };
}

function endAttempt(observed: Observed, job: Job, ending: Ending): Plan {
  const { status, nowMs } = observed;
  const attempt = status.attempt ?? 0;
  const counted = status.restarts?.counted ?? 0;
  const verdict = judge(ending, attempt, status.failures ?? [], counted, job.spec.failurePolicy);
  const { reason, failures } = verdict;
  const base = withProgress({ ...status, failures, workers: countWorkers(observed, job) }, observed, true);
  const message = `attempt ${attempt}: ${verdict.message}`;
  if (verdict.kind === 'fail') {
    const next = settle(observed, { ...base, completionTime: timestamp(nowMs) }, [
      accepted,
      { type: 'Running', status: false, reason: 'Failed', message },
      { type: 'Restarting', status: false, reason: 'Failed', message },
      { type: 'Failed', status: true, reason, message },
    ]);
    return { actions: [], status: next, events: [warning('Failed', message)], reason: message };
  }
  const nextTime = new Date(nowMs + verdict.delaySeconds * 1000).toISOString();
  const next = settle(observed, { ...base, restarts: { counted: counted + 1, nextTime } }, [
    accepted,
    { type: 'Running', status: false, reason, message },
    { type: 'Restarting', status: true, reason, message },
  ]);
  const event = warning('Restarting', `${message}; all workers start again in ${verdict.delaySeconds} s`);
  return { actions: [], status: next, events: [event], reason: message };
}

/** The number of workers changed under a running attempt: start over with the new one; nobody's failure. */
function regroup(observed: Observed, job: Job): Plan {
  const { status, nowMs } = observed;
  const message = `workers.replicas is now ${job.spec.workers.replicas}; all workers start again`;
  const restarts = { counted: 0, ...status.restarts, nextTime: new Date(nowMs).toISOString() };
  const next = settle(observed, { ...status, restarts, workers: countWorkers(observed, job) }, [
    accepted,
    { type: 'Running', status: false, reason: 'Scaled', message },
    { type: 'Restarting', status: true, reason: 'Scaled', message },
  ]);
  return { actions: [], status: next, events: [normal('Restarting', message)], reason: message };
}

function succeed(observed: Observed, job: Job): Plan {
  const { status, nowMs } = observed;
  const size = job.spec.workers.replicas;
  const message = `all ${size} workers finished ${job.spec.training.steps} steps`;
  const done = { ...status, workers: countWorkers(observed, job), completionTime: timestamp(nowMs) };
  const { progress, ...rest } = withProgress(done, observed, true);
  // The last report is a little older than the end; exit code 0 says that every step was done.
  const complete = progress === undefined ? rest : { ...rest, progress: { ...progress, step: progress.totalSteps } };
  const next = settle(observed, complete, [
    accepted,
    { type: 'Running', status: false, reason: 'Succeeded', message },
    { type: 'Restarting', status: false, reason: 'Succeeded', message },
    { type: 'Succeeded', status: true, reason: 'AllWorkersSucceeded', message },
  ]);
  return { actions: [], status: next, events: [normal('Succeeded', message)], reason: message };
}

const accepted: Wanted = { type: 'Accepted', status: true, reason: 'Valid', message: 'the spec is valid' };

function runningConditions(attempt: number): Wanted[] {
  const message = `attempt ${attempt}: all workers are ready`;
  return [
    accepted,
    { type: 'Running', status: true, reason: 'AllWorkersReady', message },
    { type: 'Restarting', status: false, reason: 'Running', message },
  ];
}

function startingCondition(attempt: number, size: number, mine: Pod[], states: WorkerState[]): Wanted {
  const stuck = states.findIndex((state) => state.kind === 'waiting' && state.problem !== undefined);
  const state = states[stuck];
  const message =
    state?.kind === 'waiting' && state.problem !== undefined
      ? `attempt ${attempt}: ${mine[stuck]?.metadata.name} waits: ${state.problem}`
      : `attempt ${attempt} starts with ${size} workers`;
  return { type: 'Running', status: false, reason: 'Starting', message };
}

function reportSource(job: Job, attempt: number, mine: Pod[], states: WorkerState[]): ReportSource | undefined {
  const at = mine.findIndex((pod) => indexOf(pod) === 0);
  const address = mine[at]?.status?.podIP;
  if (address === undefined || states[at]?.kind !== 'running') return undefined;
  return { uid: job.uid, attempt, address };
}

function serviceActions(observed: Observed, job: Job): Action[] {
  if (observed.service === undefined) return [{ kind: 'createService', service: desiredService(job) }];
  const patch = serviceRepair(observed.service, job);
  return patch === undefined ? [] : [{ kind: 'patchService', name: job.name, patch }];
}

function isUp(state: WorkerState): boolean {
  return state.kind === 'succeeded' || (state.kind === 'running' && state.ready);
}

function isUnfinished(pod: Pod, nowMs: number): boolean {
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return false;
  const state = workerState(pod, nowMs);
  return state.kind === 'running' || state.kind === 'waiting' || pod.spec.containers.length > 1;
}

/** Pods already on their way out are not asked again. */
function deletions(pods: readonly Pod[]): Action[] {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map((pod) => ({ kind: 'deletePod', name: pod.metadata.name, uid: pod.metadata.uid ?? '' }));
}

function vanished(job: Job, rank: number, attempt: number, nowMs: number): Ending {
  const pod = podName(job, rank, attempt);
  return { class: 'podDeleted', rank, pod, reason: 'PodDeleted', message: 'the pod is gone', timeMs: nowMs };
}

function tooSlow(mine: Pod[], states: WorkerState[], job: Job, nowMs: number): Ending {
  const at = Math.max(
    0,
    states.findIndex((state) => !isUp(state)),
  );
  const state = states[at];
  const problem = state?.kind === 'waiting' && state.problem !== undefined ? ` (${state.problem})` : '';
  const pod = mine[at];
  return {
    class: 'startupTimeout',
    rank: pod === undefined ? 0 : indexOf(pod),
    pod: pod?.metadata.name ?? job.name,
    reason: 'StartupTimeout',
    message: `not ready within limits.startupSeconds (${job.spec.limits.startupSeconds} s)${problem}`,
    timeMs: nowMs,
  };
}

const normal = (reason: string, message: string): Happening => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): Happening => ({ type: 'Warning', reason, message });
