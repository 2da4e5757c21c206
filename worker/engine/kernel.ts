import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Device, KernelAttrs, KernelInputs } from './device.ts';

export interface KernelContext {
  device: Device;
  /** TensorFlow.js's own kernel of that name. */
  call: (device: Device, name: string, inputs: KernelInputs, attrs: KernelAttrs) => TensorInfo | TensorInfo[];
}

/** One kernel: returns new buffers (or a retained input), releases its temporaries, leaves its inputs alone. */
export type Kernel = (context: KernelContext, inputs: KernelInputs, attrs: KernelAttrs) => TensorInfo | TensorInfo[];

/** A tensor input that the kernel cannot do without. */
export function input(inputs: KernelInputs, name: string): TensorInfo {
  const tensor = inputs[name];
  if (tensor === undefined || Array.isArray(tensor)) throw new TypeError(`kernel input ${name} is missing`);
  return tensor as TensorInfo;
}

/** Runs a stock kernel that has one output. */
export function call(context: KernelContext, name: string, inputs: KernelInputs, attrs: KernelAttrs): TensorInfo {
  const result = context.call(context.device, name, inputs, attrs);
  return Array.isArray(result) ? (result[0] as TensorInfo) : result;
}
