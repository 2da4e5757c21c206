import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { env, findBackend, getKernelsForBackend, ready, setBackend } from '@tensorflow/tfjs-core';
import { EngineError } from './engine.ts';

type WasmModule = BackendWasm['wasm'];
type Native = (...args: unknown[]) => unknown;
type Wrapping = { cwrap(name: string, result: string | null, types: string[]): Native };

let loading: Promise<WasmModule> | undefined;
let dry = false;

/**
 * Loads TensorFlow.js's WASM module once a process and binds its kernels so that {@link withoutArithmetic} can switch
 * the arithmetic off: their JavaScript side then still allocates every output and temporary, but computes nothing.
 */
export function loadWasmModule(): Promise<WasmModule> {
  loading ??= load();
  return loading;
}

async function load(): Promise<WasmModule> {
  env().set('PROD', true);
  const loaded = await setBackend('wasm');
  if (!loaded) throw new EngineError('engineMissing', 'the WebAssembly engine cannot be loaded on this machine');
  await ready();
  const backend = findBackend('wasm') as BackendWasm;
  const wasm = backend.wasm;
  const switched = {
    wasm: {
      cwrap: (name: string, result: string | null, types: string[]): Native => {
        const native = (wasm as unknown as Wrapping).cwrap(name, result, types);
        return (...args) => (dry ? 0 : native(...args));
      },
    },
  };
  for (const kernel of getKernelsForBackend('wasm')) kernel.setupFunc?.(switched);
  return wasm;
}

/** Runs `body` with the arithmetic of all WASM kernels switched off. */
export function withoutArithmetic<T>(body: () => T): T {
  const before = dry;
  dry = true;
  try {
    return body();
  } finally {
    dry = before;
  }
}
