/** How TensorFlow uses the machine. */
export interface SessionSettings {
  /** Threads that one op may use. */
  opThreads: number;
}

/**
 * A serialized tensorflow.ConfigProto: field 1 device_count (none but one CPU), 2 intra_op_parallelism_threads,
 * 5 inter_op_parallelism_threads (ops come one after another, so one).
 */
export function sessionConfig({ opThreads }: SessionSettings): Uint8Array {
  return Uint8Array.of(
    ...deviceCount('CPU', 1),
    ...deviceCount('GPU', 0),
    (2 << 3) | 0,
    ...varint(opThreads),
    (5 << 3) | 0,
    ...varint(1),
  );
}

/** An entry of a map field: key is field 1, value field 2. */
function deviceCount(device: string, count: number): number[] {
  const name = [...Buffer.from(device)];
  const entry = [(1 << 3) | 2, name.length, ...name, (2 << 3) | 0, ...varint(count)];
  return [(1 << 3) | 2, entry.length, ...entry];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
