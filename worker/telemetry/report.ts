import type { FinalReport, WorkerConfig, WorkerReport } from '@hayate/crds/worker-config.ts';
import type { ExchangePlan } from '../communication/schedule/types.ts';
import type { Built, StepDone } from '../compute/messages.ts';
import type { DeviceMemory, EngineName, EngineSettings } from '../engine/engine.ts';
import type { Reuse } from '../memory/measured-reuse.ts';

/** What one rank knows about its run; plain data, advanced by {@link withStep} and by assignment of its other fields. */
export interface Run {
  job: { uid: string; attempt: number };
  rank: number;
  worldSize: number;
  globalBatchSize: number;
  totalSteps: number;
  step: number;
  engine: EngineName;
  settings: EngineSettings;
  built?: Built;
  plan?: ExchangePlan;
  loss?: number;
  accuracy?: number;
  /** Seconds of the newest steps, and how much of them was exposed communication. */
  recent: readonly { seconds: number; exposedSeconds: number }[];
  exposedSeconds: number;
  measuredPeakBytes: number;
  /** Of the newest step; its peak is that of the whole run. */
  deviceMemory?: DeviceMemory;
  /** Of the one step that was watched. */
  reuse?: Reuse;
  checkpoint?: { step: number; time: string };
  weightsDigest?: string;
}

/** Steps that a rate is taken over. */
const recentSteps = 20;

export function beginRun(config: WorkerConfig, engine: EngineName, settings: EngineSettings): Run {
  return {
    job: { uid: config.job.uid, attempt: config.job.attempt },
    rank: config.rank,
    worldSize: config.worldSize,
    globalBatchSize: config.training.globalBatchSize,
    totalSteps: config.training.steps,
    step: 0,
    engine,
    settings,
    recent: [],
    exposedSeconds: 0,
    measuredPeakBytes: 0,
  };
}

export function withStep(run: Run, done: StepDone): Run {
  const { step, loss, seconds, exposedSeconds, measuredPeakBytes, deviceMemory, reuse } = done;
  return {
    ...run,
    step,
    ...(loss === undefined ? {} : { loss }),
    recent: [...run.recent, { seconds, exposedSeconds }].slice(-recentSteps),
    exposedSeconds: run.exposedSeconds + exposedSeconds,
    measuredPeakBytes: Math.max(run.measuredPeakBytes, measuredPeakBytes),
    ...(deviceMemory === undefined ? {} : { deviceMemory }),
    ...(reuse === undefined ? {} : { reuse }),
  };
}

/** Mean of the newest steps, seconds; undefined before the first. */
export function stepSeconds(run: Run): number | undefined {
  return mean(run.recent.map(({ seconds }) => seconds));
}

/** What rank 0 answers on /status. */
export function workerReport(run: Run): WorkerReport {
  const seconds = stepSeconds(run);
  const exposed = mean(run.recent.map(({ exposedSeconds }) => exposedSeconds));
  return {
    job: run.job,
    step: run.step,
    totalSteps: run.totalSteps,
    engine: run.engine,
    ...(isFinite(run.loss) ? { loss: run.loss } : {}),
    ...(run.accuracy === undefined ? {} : { accuracy: run.accuracy }),
    ...(seconds === undefined || seconds === 0 ? {} : { samplesPerSecond: run.globalBatchSize / seconds }),
    ...(seconds === undefined ? {} : { stepSeconds: seconds }),
    ...(exposed === undefined ? {} : { exposedCommunicationSeconds: exposed }),
    ...(run.built === undefined ? {} : { memory: memoryNow(run, run.built) }),
    ...(run.checkpoint === undefined ? {} : { checkpoint: run.checkpoint }),
    ...(run.weightsDigest === undefined ? {} : { weightsDigest: run.weightsDigest }),
  };
}

function memoryNow({ measuredPeakBytes, deviceMemory }: Run, { predictedPeakBytes }: Built): WorkerReport['memory'] {
  return {
    predictedBytes: predictedPeakBytes,
    measuredBytes: measuredPeakBytes,
    ...(deviceMemory === undefined ? {} : { deviceBytes: deviceMemory.peak }),
  };
}

/** What every rank leaves behind when it has finished. */
export function finalReport(
  run: Run,
  end: { seconds: number; bytesByCollective: Readonly<Record<string, number>> },
): FinalReport {
  const buckets = run.plan?.buckets ?? [];
  const bucketsByCollective: Record<string, number> = {};
  for (const { collective } of buckets) bucketsByCollective[collective] = (bucketsByCollective[collective] ?? 0) + 1;
  return {
    rank: run.rank,
    worldSize: run.worldSize,
    steps: run.step,
    ...(isFinite(run.loss) ? { loss: run.loss } : {}),
    ...(run.accuracy === undefined ? {} : { accuracy: run.accuracy }),
    weightsDigest: run.weightsDigest ?? '',
    engine: run.engine,
    ...run.settings,
    seconds: end.seconds,
    communication: {
      bytesByCollective: { ...end.bytesByCollective },
      bucketsByCollective,
      exposedSeconds: run.exposedSeconds,
      reasons: buckets.map(({ id, collective, reason }) => `bucket ${id}: ${collective}: ${reason}`),
    },
    memory: {
      predictedPeakBytes: run.built?.predictedPeakBytes ?? 0,
      measuredPeakBytes: run.measuredPeakBytes,
      stockPeakBytes: run.built?.stockPeakBytes ?? 0,
      ...(run.deviceMemory === undefined ? {} : { devicePeakBytes: run.deviceMemory.peak }),
      ...(run.reuse === undefined
        ? {}
        : { plannedReuseBytes: run.reuse.plannedBytes, measuredReuseBytes: run.reuse.hitBytes }),
    },
  };
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function isFinite(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value);
}
