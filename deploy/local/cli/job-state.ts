import type { Failure, Phase, TrainingJob } from '@hayate/crds/trainingjob.ts';
import type { WorkerReport } from '@hayate/crds/worker-config.ts';

/** What is known of one job while it runs. */
export interface JobState {
  name: string;
  namespace: string;
  workers: number;
  globalBatchSize: number;
  totalSteps: number;
  phase: Phase;
  attempt: number;
  ready: number;
  restarts: number;
  /** Newest report of rank 0 in this attempt. */
  report?: WorkerReport;
  /** When the current attempt was first seen training, and at which step: what the remaining time is reckoned from. */
  pace?: { sinceMs: number; fromStep: number };
  failures: Failure[];
}

/** Something worth a line of its own. `job` is the job's name. */
export type Happening =
  | { event: 'phase'; job: string; phase: Phase; attempt: number; message: string }
  | { event: 'ready'; job: string; ready: number; workers: number }
  | ({ event: 'failure'; job: string } & Omit<Failure, 'time'>)
  | {
      event: 'progress';
      job: string;
      step: number;
      totalSteps: number;
      loss?: number;
      accuracy?: number;
      samplesPerSecond?: number;
      stepSeconds?: number;
      exposedCommunicationSeconds?: number;
    };

export interface Observation {
  state: JobState;
  happenings: Happening[];
}

/** State of a job that has just been applied. */
export function initialState(job: TrainingJob): JobState {
  return {
    name: job.metadata.name,
    namespace: job.metadata.namespace,
    workers: job.spec.workers.replicas,
    globalBatchSize: job.spec.training.globalBatchSize,
    totalSteps: job.spec.training.steps,
    phase: 'Pending',
    attempt: 0,
    ready: 0,
    restarts: 0,
    failures: [],
  };
}

/** Takes in a newer version of the job object. */
export function observeJob(before: JobState, job: TrainingJob): Observation {
  const status = job.status ?? {};
  const attempt = status.attempt ?? before.attempt;
  const state: JobState = {
    ...before,
    workers: job.spec.workers.replicas,
    totalSteps: job.spec.training.steps,
    phase: status.phase ?? before.phase,
    attempt,
    ready: status.workers?.ready ?? 0,
    restarts: status.restarts?.counted ?? 0,
    failures: status.failures ?? [],
  };
  if (attempt !== before.attempt) {
    delete state.report;
    delete state.pace;
  }
  const happenings: Happening[] = [];
  for (const failure of newFailures(before.failures, state.failures)) {
    const { time: _, ...told } = failure;
    happenings.push({ event: 'failure', job: state.name, ...told });
  }
  // A restart can be over between two looks; a new number while the group still waits says nothing yet.
  const restartedUnseen = attempt !== before.attempt && before.attempt > 0 && state.phase === 'Running';
  if (state.phase !== before.phase || restartedUnseen) {
    happenings.push({ event: 'phase', job: state.name, phase: state.phase, attempt, message: phaseMessage(job) });
  }
  if (state.phase === 'Starting' && state.ready !== before.ready) {
    happenings.push({ event: 'ready', job: state.name, ready: state.ready, workers: state.workers });
  }
  return { state, happenings };
}

/** Takes in what rank 0 says; a report of another attempt or another job is not believed. */
export function observeReport(before: JobState, jobUid: string, report: WorkerReport, nowMs: number): Observation {
  const stale = report.job.uid !== jobUid || report.job.attempt !== before.attempt;
  if (stale || (before.report !== undefined && report.step < before.report.step)) {
    return { state: before, happenings: [] };
  }
  const state: JobState = { ...before, report, totalSteps: report.totalSteps };
  if (report.step > 0) state.pace = before.pace ?? { sinceMs: nowMs, fromStep: report.step };
  if (report.step === (before.report?.step ?? 0) && report.accuracy === before.report?.accuracy) {
    return { state, happenings: [] };
  }
  const { step, totalSteps, loss, accuracy, samplesPerSecond, stepSeconds, exposedCommunicationSeconds } = report;
  const figures = { loss, accuracy, samplesPerSecond, stepSeconds, exposedCommunicationSeconds };
  const known = Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
  return { state, happenings: [{ event: 'progress', job: state.name, step, totalSteps, ...known }] };
}

/** Seconds until the last step at the pace of this attempt so far; undefined while there is no pace. */
export function remainingSeconds(state: JobState, nowMs: number): number | undefined {
  const { report, pace } = state;
  if (report === undefined || pace === undefined || report.step <= pace.fromStep) return undefined;
  const secondsPerStep = (nowMs - pace.sinceMs) / 1000 / (report.step - pace.fromStep);
  return Math.max(0, (state.totalSteps - report.step) * secondsPerStep);
}

export function isOver(phase: Phase): phase is 'Succeeded' | 'Failed' {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** What ended the newest attempt that failed: the first failure in it that is not another's loss. */
export function lastCause(failures: readonly Failure[]): Failure | undefined {
  const attempt = Math.max(...failures.map((failure) => failure.attempt));
  const ofAttempt = failures.filter((failure) => failure.attempt === attempt);
  ofAttempt.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  return ofAttempt.find((failure) => failure.class !== 'peerLost') ?? ofAttempt[0];
}

/**
 * A failure that starting again on this machine cannot mend: the kubelet could not start a worker, or its disk is full.
 * The operator would go on trying, which is right for a cluster; here a person waits.
 */
export function hopelessFailure(state: JobState): Failure | undefined {
  return state.failures.find((failure) => failure.reason === 'StartError' || failure.class === 'storage');
}

/** The message of the condition that the phase stands for. */
function phaseMessage(job: TrainingJob): string {
  const phase = job.status?.phase;
  const condition = job.status?.conditions?.find((c) => c.type === phase && c.status === 'True');
  return condition?.message ?? '';
}

function newFailures(before: readonly Failure[], after: readonly Failure[]): Failure[] {
  const keyOf = (f: Failure) => `${f.attempt}/${f.pod ?? f.rank ?? ''}/${f.time}`;
  const known = new Set(before.map(keyOf));
  return after.filter((failure) => !known.has(keyOf(failure))).sort((a, b) => a.attempt - b.attempt);
}
