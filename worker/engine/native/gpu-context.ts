import { type Addon, type AddonError, type Context, isAddonError } from './addon.ts';
import { unusableGpu } from './gpu-problems.ts';
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
  const open = (settings: GpuSettings) =>
    addon.createContext(
      sessionConfig({ opThreads: threads, gpu: settings }),
      gpuName,
      threads,
      gpu.precision === 'tf32',
      gpu.deterministic,
      settings.allocator === 'own' ? (gpu.memoryLimitMib ?? everythingMib) : undefined,
    );
  try {
    return open(gpu);
  } catch (error) {
    if (!isAddonError(error)) throw error;
    if (!(gpu.mayFallBack && lacksMapping(error))) throw unusableGpu(error);
    say(`${error.message}; memory comes from the driver's allocator instead, which costs 1 to 2 % of a step's time`);
    return open({ ...gpu, allocator: 'driver' });
  }
}

/** The driver gives no memory at addresses that we choose, as some virtual GPUs' do not. */
function lacksMapping({ code }: AddonError): boolean {
  return code === 'UNIMPLEMENTED';
}
