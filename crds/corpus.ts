/** A manifest and what every validator must say of it. `field` is where a bad one is wrong. */
export type Sample = { what: string; manifest: unknown; field?: string };

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `undefined` removes a field. */
function merged(base: Fields, change: Fields): Fields {
  const out = { ...base };
  for (const [name, value] of Object.entries(change)) {
    const before = base[name];
    if (value === undefined) delete out[name];
    else out[name] = isFields(value) && isFields(before) ? merged(before, value) : value;
  }
  return out;
}

const least: Fields = {
  apiVersion: 'hayate.dev/v1alpha1',
  kind: 'TrainingJob',
  metadata: { name: 'job' },
  spec: {
    workers: { replicas: 2 },
    training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 10 },
  },
};

const manifest = (change: Fields): Fields => merged(least, change);
const spec = (change: Fields): Fields => manifest({ spec: change });
const container = (change: Fields): Fields =>
  spec({ workers: { template: { spec: { containers: [{ name: 'worker', ...change }] } } } });

const every = {
  suspend: true,
  workers: { replicas: 1024, resourceName: 'nvidia.com/gpu' },
  training: {
    globalBatchSize: 1_048_576,
    steps: 2_147_483_647,
    seed: 0,
    parameters: { a: { b: [1, null, 'x'] } },
    precision: 'TF32',
  },
  communication: { order: 'Fifo', algorithm: 'SplitSum', port: 65_000, timeoutSeconds: 1 },
  memory: { recycling: false },
  checkpoint: { everySteps: 1, keep: 1000, directory: '/var/tmp/x' },
  failurePolicy: {
    maxRestarts: 0,
    backoff: { initialSeconds: 0.5, factor: 1.5, maxSeconds: 86_400, resetAfterSeconds: 1 },
  },
  limits: { startupSeconds: 86_400 },
  cleanup: { pods: 'None', ttlSecondsAfterFinished: 0 },
};

/** Manifests that are right. */
export const good: readonly Sample[] = [
  { what: 'the least manifest', manifest: least },
  { what: 'every field set', manifest: spec(every) },
  { what: 'Float32 without a GPU', manifest: spec({ training: { precision: 'Float32' } }) },
  {
    what: 'Float32 on a GPU',
    manifest: spec({ workers: { resourceName: 'nvidia.com/gpu' }, training: { precision: 'Float32' } }),
  },
  {
    what: 'a module instead of a built-in program',
    manifest: spec({ training: { program: { builtin: undefined, module: './train.ts' } } }),
  },
  {
    what: 'null for what has a default',
    manifest: spec({ communication: null, memory: { recycling: null }, suspend: null }),
  },
  {
    what: 'null for what may be absent',
    manifest: spec({ cleanup: { ttlSecondsAfterFinished: null }, workers: { template: { spec: null } } }),
  },
  { what: 'one worker', manifest: spec({ workers: { replicas: 1 }, training: { globalBatchSize: 1 } }) },
  {
    what: 'fields of a pod that the schema does not name',
    manifest: spec({ workers: { template: { spec: { nodeSelector: { a: 'b' }, tolerations: [{}] } } } }),
  },
  {
    what: 'fields of a container that the schema does not name',
    manifest: container({ resources: { limits: { cpu: 2 } } }),
  },
  {
    what: 'an environment variable',
    manifest: container({ env: [{ name: 'A', value: 'b' }, { name: 'NOT_HAYATE_' }] }),
  },
  {
    what: 'labels and annotations',
    manifest: manifest({ metadata: { labels: { a: 'b' }, annotations: { c: 'd' }, namespace: 'x' } }),
  },
  { what: 'the longest name', manifest: manifest({ metadata: { name: 'a'.repeat(45) } }) },
  {
    what: 'a status',
    manifest: manifest({
      status: {
        phase: 'Running',
        workers: { desired: 2, created: 2, ready: 1, succeeded: 0, failed: 0, summary: '1/2' },
      },
    }),
  },
  { what: 'text whose length is in characters, not code units', manifest: spec({ checkpoint: { directory: '疾風' } }) },
];

/** Manifests that are wrong, each in one place. */
export const bad: readonly Sample[] = [
  { what: 'no worker', manifest: spec({ workers: { replicas: 0 } }), field: 'spec.workers.replicas' },
  {
    what: 'too many workers',
    manifest: spec({ workers: { replicas: 2048 }, training: { globalBatchSize: 2048 } }),
    field: 'spec.workers.replicas',
  },
  { what: 'half a worker', manifest: spec({ workers: { replicas: 1.5 } }), field: 'spec.workers.replicas' },
  { what: 'workers as text', manifest: spec({ workers: { replicas: '2' } }), field: 'spec.workers.replicas' },
  {
    what: 'workers that are not said',
    manifest: spec({ workers: { replicas: undefined } }),
    field: 'spec.workers.replicas',
  },
  { what: 'null workers', manifest: spec({ workers: { replicas: null } }), field: 'spec.workers.replicas' },
  { what: 'no workers section', manifest: spec({ workers: undefined }), field: 'spec.workers' },
  { what: 'no spec', manifest: manifest({ spec: undefined }), field: 'spec' },
  { what: 'a spec of another type', manifest: manifest({ spec: 'x' }), field: 'spec' },
  { what: 'negative steps', manifest: spec({ training: { steps: -1 } }), field: 'spec.training.steps' },
  {
    what: 'steps beyond 32 bits',
    manifest: spec({ training: { steps: 2_147_483_648 } }),
    field: 'spec.training.steps',
  },
  {
    what: 'a batch that does not divide',
    manifest: spec({ workers: { replicas: 3 } }),
    field: 'spec.training.globalBatchSize',
  },
  {
    what: 'a batch of nothing',
    manifest: spec({ training: { globalBatchSize: 0 } }),
    field: 'spec.training.globalBatchSize',
  },
  { what: 'two programs', manifest: spec({ training: { program: { module: 'x' } } }), field: 'spec.training.program' },
  {
    what: 'no program',
    manifest: spec({ training: { program: { builtin: undefined } } }),
    field: 'spec.training.program',
  },
  {
    what: 'a program that does not exist',
    manifest: spec({ training: { program: { builtin: 'imagenet' } } }),
    field: 'spec.training.program.builtin',
  },
  {
    what: 'an empty module',
    manifest: spec({ training: { program: { builtin: undefined, module: '' } } }),
    field: 'spec.training.program.module',
  },
  {
    what: 'parameters that are a list',
    manifest: spec({ training: { parameters: [] } }),
    field: 'spec.training.parameters',
  },
  {
    what: 'a precision that does not exist',
    manifest: spec({ workers: { resourceName: 'nvidia.com/gpu' }, training: { precision: 'tf32' } }),
    field: 'spec.training.precision',
  },
  { what: 'TF32 without a GPU', manifest: spec({ training: { precision: 'TF32' } }), field: 'spec.training.precision' },
  {
    what: 'TF32 with a resource of no name',
    manifest: spec({ workers: { resourceName: '' }, training: { precision: 'TF32' } }),
    field: 'spec.training.precision',
  },
  {
    what: 'an unknown order',
    manifest: spec({ communication: { order: 'priority' } }),
    field: 'spec.communication.order',
  },
  { what: 'a reserved port', manifest: spec({ communication: { port: 80 } }), field: 'spec.communication.port' },
  { what: 'recycling as text', manifest: spec({ memory: { recycling: 'yes' } }), field: 'spec.memory.recycling' },
  {
    what: 'a directory of no name',
    manifest: spec({ checkpoint: { directory: '' } }),
    field: 'spec.checkpoint.directory',
  },
  {
    what: 'a directory that is too long',
    manifest: spec({ checkpoint: { directory: 'x'.repeat(5000) } }),
    field: 'spec.checkpoint.directory',
  },
  {
    what: 'a backoff that shrinks',
    manifest: spec({ failurePolicy: { backoff: { factor: 0.5 } } }),
    field: 'spec.failurePolicy.backoff.factor',
  },
  { what: 'an unknown field', manifest: spec({ replicas: 3 }), field: 'spec.replicas' },
  { what: 'an unknown nested field', manifest: spec({ checkpoint: { every: 3 } }), field: 'spec.checkpoint.every' },
  { what: 'an unknown field at the root', manifest: manifest({ Spec: {} }), field: 'Spec' },
  {
    what: 'an unknown field of the metadata',
    manifest: manifest({ metadata: { label: {} } }),
    field: 'metadata.label',
  },
  {
    what: 'an unknown field of a pod template',
    manifest: spec({ workers: { template: { metadata: { name: 'x' } } } }),
    field: 'spec.workers.template.metadata.name',
  },
  {
    what: 'labels that are no text',
    manifest: manifest({ metadata: { labels: { a: 1 } } }),
    field: 'metadata.labels.a',
  },
  {
    what: 'a name that is too long',
    manifest: manifest({ metadata: { name: 'a'.repeat(46) } }),
    field: 'metadata.name',
  },
  { what: 'a name with a dot', manifest: manifest({ metadata: { name: 'a.b' } }), field: 'metadata.name' },
  { what: 'a name that starts with a digit', manifest: manifest({ metadata: { name: '1a' } }), field: 'metadata.name' },
  {
    what: 'a reserved environment variable',
    manifest: container({ env: [{ name: 'HAYATE_CONFIG', value: 'x' }] }),
    field: 'spec.workers.template',
  },
  {
    what: 'a container without a name',
    manifest: container({ name: undefined }),
    field: 'spec.workers.template.spec.containers[0].name',
  },
  {
    what: 'no containers',
    manifest: spec({ workers: { template: { spec: { containers: [] } } } }),
    field: 'spec.workers.template.spec.containers',
  },
  {
    what: 'pods that restart by themselves',
    manifest: spec({ workers: { template: { spec: { restartPolicy: 'Always' } } } }),
    field: 'spec.workers.template.spec.restartPolicy',
  },
  { what: 'a status of an unknown phase', manifest: manifest({ status: { phase: 'Lost' } }), field: 'status.phase' },
];
