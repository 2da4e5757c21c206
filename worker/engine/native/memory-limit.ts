import { EngineError } from '../engine.ts';
import { visibleGpus } from './cuda-verdict.ts';
import { limitProblem } from './gpu-problems.ts';
import { gpuMemoryLimitMib } from './gpu-settings.ts';
import { findGpus, type Gpu } from './machine.ts';

/**
 * Throws EngineError `engineMissing` where HAYATE_GPU_MEMORY_LIMIT_MIB is above the visible GPU: TensorFlow would take
 * what it can get, and say nothing. Asks `find` only where there is a limit; a GPU that nobody describes may have it.
 */
export async function refuseLimitAboveGpu(
  env: Readonly<Record<string, string | undefined>>,
  find: () => Promise<readonly Gpu[]> = findGpus,
): Promise<void> {
  const limitMib = gpuMemoryLimitMib(env);
  if (limitMib === undefined) return;
  const [gpu] = visibleGpus({ gpus: await find(), visibleDevices: env['CUDA_VISIBLE_DEVICES'] });
  const problem = gpu && limitProblem(limitMib, gpu);
  if (problem !== undefined) throw new EngineError('engineMissing', `the GPU cannot be used: ${problem}`);
}
