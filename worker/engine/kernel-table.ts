import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { getKernel } from '@tensorflow/tfjs-core';
import type { Device, KernelAttrs, KernelInputs } from './device.ts';
import { EngineError } from './engine.ts';
import type { Kernel } from './kernel.ts';
import { leanKernels } from './lean-kernels/table.ts';
import { avgPoolGrad } from './wasm-kernels/avg-pool-grad.ts';
import { refusedKernels, wasmKernels } from './wasm-kernels/table.ts';

const own: Record<Device['name'], ReadonlyMap<string, Kernel>> = {
  wasm: new Map([...wasmKernels, ...leanKernels]),
  cpu: new Map([['AvgPoolGrad', avgPoolGrad], ...leanKernels]),
};

/** Names of all kernels written here for the WASM engine. */
export const ownWasmKernels: readonly string[] = [...own.wasm.keys()];

/**
 * Runs one kernel on a device: ours where there is one, else TensorFlow.js's.
 * Throws {@link EngineError} `kernelMissing` for kernels that the device has not or would compute wrongly.
 */
export function runKernel(
  device: Device,
  name: string,
  inputs: KernelInputs,
  attrs: KernelAttrs,
): TensorInfo | TensorInfo[] {
  const kernel = own[device.name].get(name);
  const context = { device, call: callStock };
  return kernel === undefined ? callStock(device, name, inputs, attrs) : kernel(context, inputs, attrs);
}

function callStock(device: Device, name: string, inputs: KernelInputs, attrs: KernelAttrs): TensorInfo | TensorInfo[] {
  const refusal = device.name === 'wasm' ? refusedKernels.get(name) : undefined;
  if (refusal !== undefined) throw new EngineError('kernelMissing', refusal);
  const stock = getKernel(name, device.name);
  if (stock === undefined) {
    throw new EngineError('kernelMissing', `the ${device.name} engine has no ${name}; write the model without it`);
  }
  const passed = inputs['tensors'] ?? inputs;
  return stock.kernelFunc({ inputs: passed as never, attrs: attrs as NamedAttrMap, backend: device.backend });
}
