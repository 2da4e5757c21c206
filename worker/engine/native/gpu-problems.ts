import { EngineError } from '../engine.ts';
import type { AddonError } from './addon.ts';

/** A process computes on one GPU, and TensorFlow would take memory of every one that it sees. */
export function severalVisible(count: number): string {
  return `${count} GPUs are visible where there must be one; ${oneGpuAdvice}`;
}

const oneGpuAdvice =
  'set CUDA_VISIBLE_DEVICES=0, or the number of another one (a job that asks for nvidia.com/gpu is given one a worker)';

const poolAdvice = 'set HAYATE_GPU_ALLOCATOR=pool, which keeps to a limit too, or driver, which does not';

/** What is wrong with a memory limit for a GPU of this name and size; undefined where nothing is. */
export function limitProblem(
  limitMib: number | undefined,
  gpu: { name: string; memoryMiB: number },
): string | undefined {
  if (limitMib === undefined || limitMib <= gpu.memoryMiB) return undefined;
  return `HAYATE_GPU_MEMORY_LIMIT_MIB is ${limitMib} and the ${gpu.name} has ${gpu.memoryMiB} MiB; set a smaller limit or none`;
}

/** The driver gives no memory at addresses that we choose, as some virtual GPUs' do not. */
export function lacksMapping({ message }: AddonError): boolean {
  return message.includes('cannot map memory');
}

/** Why the engine could not be opened on a GPU, from what the addon said. */
export function unusableGpu(error: AddonError): EngineError {
  const isSeveral = /\b(?:[2-9]|[1-9]\d+) GPUs are visible/.test(error.message);
  const advice = isSeveral
    ? oneGpuAdvice
    : lacksMapping(error)
      ? poolAdvice
      : 'npm run native -- doctor says what is missing';
  return new EngineError('engineMissing', `the GPU cannot be used: ${error.message}; ${advice}`, { cause: error });
}
