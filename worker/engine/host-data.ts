import type { DType } from '../graph/graph.ts';
import { EngineError, type HostData } from './engine.ts';

/** The same numbers in the array type of `dtype`. */
export function ofType(data: HostData, dtype: DType): HostData {
  switch (dtype) {
    case 'float32':
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case 'int32':
      return data instanceof Int32Array ? data : Int32Array.from(data);
    case 'bool':
      return data instanceof Uint8Array ? data : Uint8Array.from(data);
    default:
      return dtype satisfies never;
  }
}

/** Runs what an engine was asked for; whatever it throws comes out as an {@link EngineError} that names `what`. */
export function attempt<T>(what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (/aborted|out of memory|allocation failed|cannot enlarge memory/i.test(message)) {
      throw new EngineError('outOfMemory', `no memory left while running ${what}; use a smaller batch or more ranks`, {
        cause: error,
      });
    }
    throw new EngineError('kernelFailed', `${what} failed: ${message}`, { cause: error });
  }
}
