import { z } from 'zod';
import type { ObjectMeta } from './object-meta.ts';

/** API group, version and names of the custom resource. */
export const resource = {
  group: 'hayate.dev',
  version: 'v1alpha1',
  kind: 'TrainingJob',
  listKind: 'TrainingJobList',
  plural: 'trainingjobs',
  singular: 'trainingjob',
  shortNames: ['tj'],
  categories: ['all'],
} as const;

export const apiVersion = `${resource.group}/${resource.version}`;

/** A CEL rule of the custom resource definition; `message` is what a person reads when it does not hold. */
export interface CelRule {
  rule: string;
  message: string;
  fieldPath?: string;
  reason?: 'FieldValueInvalid' | 'FieldValueRequired' | 'FieldValueForbidden' | 'FieldValueDuplicate';
}

const cel = (...rules: CelRule[]) => ({ 'x-kubernetes-validations': rules });

const environmentVariable = z.looseObject({
  name: z.string().min(1).max(256).describe('Name of the variable; names starting with HAYATE_ are reserved.'),
  value: z.string().max(32_768).optional(),
});

const container = z.looseObject({
  name: z.string().min(1).max(63),
  image: z.string().max(512).optional().describe("Image of the worker; omitted = the operator's default worker image."),
  command: z.array(z.string().max(4096)).max(64).optional(),
  args: z.array(z.string().max(4096)).max(256).optional(),
  workingDir: z.string().max(4096).optional(),
  env: z.array(environmentVariable).max(256).optional(),
});

const podTemplate = z.looseObject({
  metadata: z
    .object({
      labels: z.record(z.string(), z.string().max(63)).optional(),
      annotations: z.record(z.string(), z.string().max(65_536)).optional(),
    })
    .optional(),
  spec: z
    .looseObject({
      containers: z.array(container).min(1).max(16).optional().describe('The first container is the worker.'),
      restartPolicy: z
        .enum(['Never'])
        .optional()
        .describe('Only Never: the operator restarts the whole group, never one pod.'),
    })
    .optional(),
});

const reservedEnvironment = {
  rule: "!has(self.spec) || !has(self.spec.containers) || self.spec.containers.all(c, !has(c.env) || c.env.all(e, !e.name.startsWith('HAYATE_')))",
  message: 'environment variables that start with HAYATE_ are reserved for the operator',
} satisfies CelRule;

const workers = z
  .object({
    replicas: z.int32().min(1).max(1024).describe('Number of workers: one pod, one process, one rank each.'),
    resourceName: z
      .string()
      .max(253)
      .default('')
      .describe(
        'Extended resource that each worker needs one of, for example nvidia.com/gpu: workers then compute on a GPU or not at all. Empty = none: they compute on the CPU.',
      ),
    template: podTemplate
      .refine((t) => !t.spec?.containers?.some((c) => c.env?.some((e) => e.name.startsWith('HAYATE_'))), {
        message: reservedEnvironment.message,
      })
      .default({})
      .meta(cel(reservedEnvironment))
      .describe('PodTemplateSpec of a worker; the first container is the worker.'),
  })
  .describe('The group of worker pods.');

const oneProgram: CelRule = {
  rule: 'has(self.builtin) != has(self.module)',
  message: 'give exactly one of builtin and module',
};

const program = z
  .object({
    builtin: z.enum(['mnist', 'alexnet', 'vgg16', 'resnet50']).optional().describe('A program that comes with Hayate.'),
    module: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe('Path of a module in the worker whose default export is defineTraining(…).'),
  })
  .refine((p) => (p.builtin !== undefined) !== (p.module !== undefined), { message: oneProgram.message })
  .meta(cel(oneProgram));

const training = z
  .object({
    program,
    parameters: z
      .looseObject({})
      .default({})
      .describe("Free-form; checked by the program's own schema when a worker starts."),
    globalBatchSize: z
      .int32()
      .min(1)
      .max(1_048_576)
      .describe('Samples of one step over all workers; a multiple of workers.replicas.'),
    steps: z.int32().min(1).describe('Number of training steps.'),
    seed: z.int32().min(0).default(42).describe('Seed of weights, data order and dropout.'),
    precision: z
      .enum(['Float32', 'TF32'])
      .default('Float32')
      .describe(
        'Float32 computes in float32 throughout. TF32 rounds the factors of matrix products and convolutions to 10 bits of mantissa instead of 23 and sums the products in float32, for speed; everything else, weights and gradients too, stays float32. TF32 needs workers.resourceName and a GPU of the Ampere generation or newer.',
      ),
  })
  .describe('What is trained.');

const communication = z
  .object({
    order: z
      .enum(['Priority', 'Fifo'])
      .default('Priority')
      .describe('Priority sends first what the next forward pass needs first; Fifo sends in order of readiness.'),
    algorithm: z
      .enum(['Auto', 'GatherSum', 'SplitSum'])
      .default('Auto')
      .describe(
        'GatherSum: everyone gathers all parts and sums. SplitSum: split, sum one part each, exchange sums. Auto: by size.',
      ),
    port: z
      .int32()
      .min(1024)
      .max(65_000)
      .default(29_600)
      .describe('gRPC port of control; the lanes follow on port + 1 and up.'),
    timeoutSeconds: z
      .int32()
      .min(1)
      .max(86_400)
      .default(120)
      .describe('A stuck exchange ends the attempt after this time, with the missing rank named.'),
  })
  .describe('How gradients are shared.');

const memory = z
  .object({
    recycling: z
      .boolean()
      .default(true)
      .describe(
        'Free and reuse every buffer at its last use; false keeps all until the end of the step, for comparison.',
      ),
  })
  .describe('How device memory is planned.');

const checkpoint = z
  .object({
    everySteps: z
      .int32()
      .min(1)
      .default(100)
      .describe('Steps between checkpoints: at most these are redone after a restart.'),
    keep: z.int32().min(1).max(1000).default(2).describe('Newest checkpoints kept.'),
    directory: z
      .string()
      .min(1)
      .max(4096)
      .default('checkpoints')
      .describe("Where checkpoints go; relative to the worker's working directory."),
  })
  .describe('Checkpoints: weights, optimizer state, step and data position.');

const backoff = z.object({
  initialSeconds: z.number().min(0).max(86_400).default(5),
  factor: z.number().min(1).max(10).default(2),
  maxSeconds: z.number().min(0).max(86_400).default(300),
  resetAfterSeconds: z.number().min(1).max(604_800).default(1800).describe('A run this long starts the backoff anew.'),
});

const failurePolicy = z
  .object({
    maxRestarts: z
      .int32()
      .min(0)
      .max(1000)
      .default(10)
      .describe('Restarts of the whole group over the life of the job.'),
    backoff: backoff.default({ initialSeconds: 5, factor: 2, maxSeconds: 300, resetAfterSeconds: 1800 }),
  })
  .describe('What happens when a worker fails.');

const cleanup = z
  .object({
    pods: z
      .enum(['None', 'Running', 'All'])
      .default('Running')
      .describe('Which pods are deleted when the job has finished.'),
    ttlSecondsAfterFinished: z.int32().min(0).optional().describe('Delete the job itself this long after its end.'),
  })
  .describe('What is removed at the end.');

const divisible: CelRule = {
  rule: 'self.workers.replicas < 1 || self.training.globalBatchSize % self.workers.replicas == 0',
  message: 'training.globalBatchSize must be a multiple of workers.replicas',
  fieldPath: '.training.globalBatchSize',
};

const divisibleParts = z.looseObject({
  workers: z.looseObject({ replicas: workers.shape.replicas }),
  training: z.looseObject({ globalBatchSize: training.shape.globalBatchSize }),
});

const tf32NeedsGpu: CelRule = {
  rule: "self.training.precision != 'TF32' || self.workers.resourceName != ''",
  message:
    'TF32 is computed by GPUs only; set workers.resourceName, for example to nvidia.com/gpu, or training.precision to Float32',
  fieldPath: '.training.precision',
};

const precisionParts = z.looseObject({
  workers: z.looseObject({ resourceName: workers.shape.resourceName }),
  training: z.looseObject({ precision: training.shape.precision }),
});

const whileSuspended = (path: string): CelRule => ({
  rule: `self.suspend || oldSelf.suspend || self.${path} == oldSelf.${path}`,
  message: `${path} can change only while suspend is true`,
  fieldPath: `.${path}`,
});

/** Fields that only a suspended job may change; the operator's own check and the CEL rules both come from this list. */
export const suspendedOnly = ['workers', 'training', 'communication.port'] as const;

export const trainingJobSpec = z
  .object({
    suspend: z.boolean().default(false).describe('No pods while true; the job goes on from its last checkpoint.'),
    workers,
    training,
    communication: communication.default({ order: 'Priority', algorithm: 'Auto', port: 29_600, timeoutSeconds: 120 }),
    memory: memory.default({ recycling: true }),
    checkpoint: checkpoint.default({ everySteps: 100, keep: 2, directory: 'checkpoints' }),
    failurePolicy: failurePolicy.default({
      maxRestarts: 10,
      backoff: { initialSeconds: 5, factor: 2, maxSeconds: 300, resetAfterSeconds: 1800 },
    }),
    limits: z
      .object({
        startupSeconds: z
          .int32()
          .min(1)
          .max(86_400)
          .default(900)
          .describe('A group that is not training after this time counts as failed.'),
      })
      .default({ startupSeconds: 900 })
      .describe('Time limits.'),
    cleanup: cleanup.default({ pods: 'Running' }),
  })
  .refine((s) => s.training.globalBatchSize % s.workers.replicas === 0, {
    message: divisible.message,
    path: ['training', 'globalBatchSize'],
    // Also when another field is wrong: all problems of a manifest are named at once.
    when: ({ value }) => divisibleParts.safeParse(value).success,
  })
  .refine((s) => s.training.precision !== 'TF32' || s.workers.resourceName !== '', {
    message: tf32NeedsGpu.message,
    path: ['training', 'precision'],
    when: ({ value }) => precisionParts.safeParse(value).success,
  })
  .meta(cel(divisible, tf32NeedsGpu, ...suspendedOnly.map(whileSuspended)));

const time = z.iso.datetime();
const decimal = z.string().max(32).describe('A decimal number, as text.');

export const conditionTypes = ['Accepted', 'Running', 'Restarting', 'Suspended', 'Succeeded', 'Failed'] as const;
export type ConditionType = (typeof conditionTypes)[number];

const condition = z.object({
  type: z.enum(conditionTypes),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().optional(),
  lastTransitionTime: time,
  reason: z.string().min(1).max(1024),
  message: z.string().max(32_768),
});

const failure = z.object({
  attempt: z.int32(),
  class: z.string().max(64),
  rank: z.int32().optional(),
  pod: z.string().max(253).optional(),
  exitCode: z.int32().optional(),
  reason: z.string().max(256),
  message: z.string().max(1024),
  step: z.int().optional(),
  time,
});

export const phases = ['Pending', 'Starting', 'Running', 'Restarting', 'Suspended', 'Succeeded', 'Failed'] as const;
export type Phase = (typeof phases)[number];

/** Written by telemetry only, from rank 0's /status; see worker/telemetry and operator/trainingjob/progress.ts. */
export const progress = z.object({
  step: z.int(),
  totalSteps: z.int(),
  loss: decimal.optional(),
  accuracy: decimal.optional(),
  samplesPerSecond: decimal.optional(),
  stepSeconds: decimal.optional(),
  exposedCommunicationSeconds: decimal.optional(),
  memory: z.object({ predicted: decimal, measured: decimal, device: decimal.optional() }).optional(),
  engine: z.string().max(64).optional(),
  weightsDigest: z.string().max(128).optional(),
  time,
});

export const trainingJobStatus = z.object({
  observedGeneration: z.int().optional(),
  phase: z.enum(phases).optional(),
  attempt: z.int32().optional().describe('Number of the newest start of the whole group; fences pods and messages.'),
  restarts: z
    .object({ counted: z.int32(), nextTime: time.optional() })
    .optional()
    .describe('nextTime: the group starts again then.'),
  workers: z
    .object({
      desired: z.int32(),
      created: z.int32(),
      ready: z.int32(),
      succeeded: z.int32(),
      failed: z.int32(),
      summary: z.string().max(32),
    })
    .optional(),
  replicas: z.int32().optional(),
  selector: z.string().max(512).optional(),
  progress: progress.optional(),
  checkpoint: z.object({ step: z.int(), time }).optional(),
  failures: z.array(failure).max(10).optional(),
  conditions: z
    .array(condition)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
  startTime: time.optional(),
  completionTime: time.optional(),
});

/** Longest job name: pod names `<job>-w<index>-a<attempt>` must stay DNS labels. */
export const maxNameLength = 45;

/** Services and pod names are made of the job's name; a Service's must start with a letter (RFC 1035). */
const namePattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

export const trainingJob = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(resource.kind),
  metadata: z.looseObject({ name: z.string().max(maxNameLength).regex(namePattern) }),
  spec: trainingJobSpec,
  status: trainingJobStatus.optional(),
});

/** Rules at the root of the resource. */
export const rootRules: readonly CelRule[] = [
  {
    rule: `size(self.metadata.name) <= ${maxNameLength}`,
    message: `metadata.name must be no longer than ${maxNameLength} characters, since pod names are made of it`,
  },
  {
    rule: `self.metadata.name.matches('${namePattern.source}')`,
    message:
      'metadata.name must be lower case letters, digits and dashes, starting with a letter, since a Service gets the same name',
  },
];

export type TrainingJobSpec = z.output<typeof trainingJobSpec>;
export type TrainingJobStatus = z.output<typeof trainingJobStatus>;
export type Condition = z.output<typeof condition>;
export type Failure = z.output<typeof failure>;
export type Progress = z.output<typeof progress>;

/** A TrainingJob as the API server returns it, defaults filled in. */
export interface TrainingJob {
  apiVersion: typeof apiVersion;
  kind: typeof resource.kind;
  metadata: ObjectMeta & { namespace: string; uid: string };
  spec: TrainingJobSpec;
  status?: TrainingJobStatus;
}
