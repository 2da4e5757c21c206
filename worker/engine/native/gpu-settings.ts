import { EngineError, type EngineSettings, type ImageFormat } from '../engine.ts';

/** What a GPU is asked for beyond {@link EngineSettings}. */
export interface GpuSettings {
  precision: EngineSettings['precision'];
  /** No kernel whose bits depend on the order in which threads come. */
  deterministic: boolean;
  /** What TensorFlow may take of the GPU; undefined lets it take what it needs. */
  memoryLimitMib: number | undefined;
  /**
   * `own`: ours for all but what TensorFlow's ops make, which asks the driver for nothing in a steady step and keeps to a
   * limit. `driver`: the driver's, which holds what was asked for, at 1 to 2 % of a step's time. `pool`: TensorFlow's, as fast as
   * ours and up to a fifth larger.
   */
  allocator: 'pool' | 'driver' | 'own';
  /** The driver's may stand in where it cannot give us memory of our own: nobody asked for that by name, or for a limit. */
  mayFallBack: boolean;
  /** Formats of pictures to choose from; none leaves graphs plain. */
  imageFormats: readonly ImageFormat[];
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * From the environment: HAYATE_GPU_MEMORY_LIMIT_MIB (which the driver's allocator does not keep to), HAYATE_GPU_ALLOCATOR (own, driver, pool),
 * HAYATE_GPU_DETERMINISTIC (0, 1), HAYATE_GPU_LAYOUT (NHWC, NCHW: that one, whatever is faster; plain: as captured).
 * Throws EngineError `engineMissing` that names every one that is none of these.
 */
export function gpuSettings(precision: EngineSettings['precision'], env: Env): GpuSettings {
  refuseUnknown(env);
  const memoryLimitMib = gpuMemoryLimitMib(env);
  return {
    precision,
    deterministic: env['HAYATE_GPU_DETERMINISTIC'] === '1',
    memoryLimitMib,
    // The driver's allocator does not keep to a limit: a step of 5.2 GB passed one of 4 GB.
    allocator: allocatorOf(env['HAYATE_GPU_ALLOCATOR'], memoryLimitMib !== undefined),
    mayFallBack: (env['HAYATE_GPU_ALLOCATOR'] ?? '') === '' && memoryLimitMib === undefined,
    imageFormats: layouts[env['HAYATE_GPU_LAYOUT'] ?? ''] as readonly ImageFormat[],
  };
}

/** HAYATE_GPU_MEMORY_LIMIT_MIB; undefined where it sets no limit. */
export function gpuMemoryLimitMib(env: Env): number | undefined {
  const limitMib = Number(env['HAYATE_GPU_MEMORY_LIMIT_MIB']);
  return limitMib > 0 ? limitMib : undefined;
}

const allocators = ['own', 'driver', 'pool'] as const;

function allocatorOf(name: string | undefined, isLimited: boolean): GpuSettings['allocator'] {
  const asked = allocators.find((known) => known === name) ?? 'own';
  return isLimited && asked === 'driver' ? 'pool' : asked;
}

const layouts: Readonly<Record<string, readonly ImageFormat[]>> = {
  '': ['NHWC', 'NCHW'],
  NHWC: ['NHWC'],
  NCHW: ['NCHW'],
  plain: [],
};

const choices: Readonly<Record<string, readonly string[]>> = {
  HAYATE_GPU_ALLOCATOR: allocators,
  HAYATE_GPU_DETERMINISTIC: ['0', '1'],
  HAYATE_GPU_LAYOUT: Object.keys(layouts).filter((name) => name !== ''),
};

function refuseUnknown(env: Env): void {
  const limit = env['HAYATE_GPU_MEMORY_LIMIT_MIB'] ?? '';
  const problems = Object.entries(choices).flatMap(([name, values]) => {
    const value = env[name] ?? '';
    return value === '' || values.includes(value) ? [] : [`${name}: "${value}" is none of ${values.join(', ')}`];
  });
  if (limit !== '' && gpuMemoryLimitMib(env) === undefined) {
    problems.push(`HAYATE_GPU_MEMORY_LIMIT_MIB: "${limit}" is no number of MiB above 0`);
  }
  if (problems.length > 0) throw new EngineError('engineMissing', problems.join('; '));
}

/**
 * Variables that TensorFlow and CUDA read before the first kernel, names and values in turn. Convolutions in TF32 need little
 * workspace, but with 256 MiB AlexNet's first one took three seconds on an H200; those in float32 may take what they like.
 * Streams that share a connection wait for each other, and a copy must not wait for a computation that waits for it.
 */
export function gpuEnvironment({ precision, deterministic, allocator }: GpuSettings): string[] {
  return [
    'CUDA_DEVICE_MAX_CONNECTIONS',
    '32',
    ...(precision === 'tf32' ? ['TF_CUDNN_WORKSPACE_LIMIT_IN_MB', '4096'] : []),
    ...(deterministic ? ['TF_DETERMINISTIC_OPS', '1'] : []),
    ...(allocator === 'pool' ? [] : ['TF_GPU_ALLOCATOR', 'cuda_malloc_async']),
  ];
}
