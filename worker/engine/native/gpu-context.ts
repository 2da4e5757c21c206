import { type Addon, type Context, isAddonError } from './addon.ts';
import { lacksMapping, unusableGpu } from './gpu-problems.ts';
import { type GpuSettings, gpuEnvironment } from './gpu-settings.ts';
import { sessionConfig } from './session-config.ts';

/** More than any GPU has. */
const everythingMib = 2 ** 24;

const gpuName = '/job:localhost/replica:0/task:0/device:GPU:0';

/**
 * TensorFlow on the one visible GPU. `say` is told where the driver's allocator has to stand in for ours. Throws EngineError
 * `engineMissing` where the GPU cannot be used as it was asked for.
 */
export function openOnGpu(
  addon: Pick<Addon, 'setEnvironment' | 'createContext'>,
  gpu: GpuSettings,
  threads: number,
  say: (line: string) => void,
): Context {
  addon.setEnvironment(gpuEnvironment(gpu));
  const open = (allocator: GpuSettings['allocator']): Context =>
    addon.createContext(
      sessionConfig({ opThreads: threads, gpu: { ...gpu, allocator } }),
      gpuName,
      threads,
      gpu.precision === 'tf32',
      gpu.deterministic,
      allocator === 'own' ? (gpu.memoryLimitMib ?? everythingMib) : undefined,
    );
  const openOrExplain = (allocator: GpuSettings['allocator'], mayFallBack: boolean): Context => {
    try {
      return open(allocator);
    } catch (error) {
      if (!isAddonError(error)) throw error;
      if (!(mayFallBack && lacksMapping(error))) throw unusableGpu(error);
      say(`${error.message}; memory comes from the driver's allocator instead, which costs 1 to 2 % of a step's time`);
      return openOrExplain('driver', false);
    }
  };
  return openOrExplain(gpu.allocator, gpu.mayFallBack);
}
