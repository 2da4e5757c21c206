import type { GpuSettings } from './gpu-settings.ts';

/** How TensorFlow uses the machine. */
export interface SessionSettings {
  /** Threads that one op may use. */
  opThreads: number;
  /** The one GPU that is visible; without it, the CPU alone. */
  gpu?: GpuSettings;
}

/**
 * A serialized tensorflow.ConfigProto: field 1 device_count, 2 intra_op_parallelism_threads, 5
 * inter_op_parallelism_threads (ops come one after another, so one), 6 gpu_options.
 */
export function sessionConfig({ opThreads, gpu }: SessionSettings): Uint8Array {
  return Uint8Array.of(
    ...deviceCount('CPU', 1),
    ...deviceCount('GPU', gpu === undefined ? 0 : 1),
    ...number(2, opThreads),
    ...number(5, 1),
    ...(gpu === undefined ? [] : message(6, gpuOptions(gpu))),
  );
}

/**
 * GPUOptions: 4 allow_growth; 9 experimental, in it 1 virtual_devices with 1 memory_limit_mb, and 12
 * disallow_retry_on_allocation_failure: memory that is missing now is missing ten seconds later too.
 */
function gpuOptions({ memoryLimitMib, allocator }: GpuSettings): number[] {
  const isLimited = memoryLimitMib !== undefined && allocator === 'pool';
  const limit = isLimited ? message(1, float(1, memoryLimitMib)) : [];
  return [...(limit.length === 0 ? number(4, 1) : []), ...message(9, [...limit, ...number(12, 1)])];
}

/** An entry of a map field: key is field 1, value field 2. */
function deviceCount(device: string, count: number): number[] {
  return message(1, [...message(1, [...Buffer.from(device)]), ...number(2, count)]);
}

function message(field: number, bytes: readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(bytes.length), ...bytes];
}

function number(field: number, value: number): number[] {
  return [field << 3, ...varint(value)];
}

function float(field: number, value: number): number[] {
  return [(field << 3) | 5, ...new Uint8Array(Float32Array.of(value).buffer)];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
