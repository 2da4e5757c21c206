import type { Device } from './device.ts';
import type { Engine } from './engine.ts';
import { KernelEngine } from './kernel-engine.ts';
import { MeteredWasm } from './metered-wasm.ts';
import { ShapeBackend, shapeDevice, wasmDevice } from './shape-backend.ts';
import { loadWasmModule, withoutArithmetic } from './wasm-module.ts';

/** The default engine: TensorFlow.js's WASM backend with corrected kernels. Engines of one process share its heap (at most 4 GiB). */
export async function openWasmEngine(): Promise<Engine> {
  const backend = new MeteredWasm(await loadWasmModule());
  const measure = (body: (device: Device) => void) => withoutArithmetic(() => body(shapeDevice(new ShapeBackend())));
  return new KernelEngine(wasmDevice(backend), measure, () => performance.now());
}
