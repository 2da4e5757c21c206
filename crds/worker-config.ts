import { z } from 'zod';
import { trainingJobSpec } from './trainingjob.ts';

/** Name of the environment variable that carries the document. */
export const configVariable = 'HAYATE_CONFIG';

/** Port of /metrics, /status, /healthz and /readyz on every worker. */
export const telemetryPort = 9464;

/** Labels that the operator puts on everything it makes. */
export const labels = {
  job: 'hayate.dev/job',
  attempt: 'hayate.dev/attempt',
  workerIndex: 'hayate.dev/worker-index',
} as const;

/** What the operator hands a worker: one JSON document in {@link configVariable}. `peers[r]` is `host:port` of rank r's control service. */
export const workerConfig = z.strictObject({
  job: z.strictObject({
    uid: z.string().min(1),
    namespace: z.string().min(1),
    name: z.string().min(1),
    attempt: z.int().min(1),
  }),
  rank: z.int().min(0),
  worldSize: z.int().min(1),
  peers: z.array(z.string().min(3)).min(1),
  /** `gpu`: the pod has asked for one, and nothing else may compute. */
  device: z.enum(['cpu', 'gpu']),
  training: trainingJobSpec.shape.training,
  communication: trainingJobSpec.shape.communication,
  memory: trainingJobSpec.shape.memory,
  checkpoint: trainingJobSpec.shape.checkpoint,
  startupSeconds: z.int().min(1),
});

export type WorkerConfig = z.output<typeof workerConfig>;

/** Text of a document; the inverse of {@link parseWorkerConfig}. */
export function encodeWorkerConfig(config: WorkerConfig): string {
  return JSON.stringify(config);
}

export type ParsedConfig = { ok: true; config: WorkerConfig } | { ok: false; problems: string[] };

/** Reads a document and names every problem at once, each with its field. */
export function parseWorkerConfig(text: string | undefined): ParsedConfig {
  if (text === undefined || text === '') return { ok: false, problems: [`${configVariable} is not set`] };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`${configVariable} is not JSON: ${(error as Error).message}`] };
  }
  const parsed = workerConfig.safeParse(raw);
  const problems = parsed.success
    ? crossFieldProblems(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  return parsed.success && problems.length === 0 ? { ok: true, config: parsed.data } : { ok: false, problems };
}

function crossFieldProblems(config: WorkerConfig): string[] {
  const problems: string[] = [];
  if (config.rank >= config.worldSize) problems.push(`rank: ${config.rank} is not below worldSize ${config.worldSize}`);
  if (config.peers.length !== config.worldSize) {
    problems.push(`peers: ${config.peers.length} addresses for worldSize ${config.worldSize}`);
  }
  if (config.training.globalBatchSize % config.worldSize !== 0) {
    problems.push(
      `training.globalBatchSize: ${config.training.globalBatchSize} is not a multiple of worldSize ${config.worldSize}`,
    );
  }
  if (config.training.precision === 'TF32' && config.device !== 'gpu') {
    problems.push(`training.precision: TF32 is computed by GPUs only, and device is ${config.device}`);
  }
  return problems;
}

/** What a worker leaves in its termination log before any exit that is not 0; at most 4 KiB of JSON. */
export const terminationMessage = z.object({
  class: z.string(),
  reason: z.string(),
  rank: z.int(),
  step: z.int().optional(),
  message: z.string(),
  blamedRank: z.int().optional(),
});
export type TerminationMessage = z.output<typeof terminationMessage>;

/** `GET /status` of rank 0, which the operator copies into the job's status after checking the fence (uid, attempt). */
export const workerReport = z.object({
  job: z.object({ uid: z.string(), attempt: z.int() }),
  step: z.int(),
  totalSteps: z.int(),
  loss: z.number().optional(),
  accuracy: z.number().optional(),
  samplesPerSecond: z.number().optional(),
  stepSeconds: z.number().optional(),
  exposedCommunicationSeconds: z.number().optional(),
  /** Peaks; `deviceBytes` as a GPU's own allocator has it. */
  memory: z
    .object({ predictedBytes: z.number(), measuredBytes: z.number(), deviceBytes: z.number().optional() })
    .optional(),
  checkpoint: z.object({ step: z.int(), time: z.string() }).optional(),
  engine: z.string(),
  weightsDigest: z.string().optional(),
});
export type WorkerReport = z.output<typeof workerReport>;

/**
 * `report.json` that every rank writes into its working directory (`reports/<rank>.json`) when it has finished:
 * what `npm start` prints at the end.
 */
export const finalReport = z.object({
  rank: z.int(),
  worldSize: z.int(),
  steps: z.int(),
  loss: z.number().optional(),
  accuracy: z.number().optional(),
  weightsDigest: z.string(),
  engine: z.string(),
  device: z.enum(['cpu', 'gpu']),
  precision: z.enum(['float32', 'tf32']),
  seconds: z.number(),
  communication: z.object({
    bytesByCollective: z.record(z.string(), z.number()),
    bucketsByCollective: z.record(z.string(), z.number()),
    exposedSeconds: z.number(),
    reasons: z.array(z.string()),
  }),
  memory: z.object({
    predictedPeakBytes: z.number(),
    measuredPeakBytes: z.number(),
    stockPeakBytes: z.number(),
    /** As a GPU's own allocator has it, workspaces of libraries included; absent on the CPU. */
    devicePeakBytes: z.number().optional(),
    /** What a step reuses of the memory that it has freed, by plan and by addresses; absent where none was watched. */
    plannedReuseBytes: z.number().optional(),
    measuredReuseBytes: z.number().optional(),
  }),
});
export type FinalReport = z.output<typeof finalReport>;
