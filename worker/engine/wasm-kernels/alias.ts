import { util } from '@tensorflow/tfjs-core';
import { reshaped } from '../device.ts';
import { call, input, type Kernel } from '../kernel.ts';

/** The same buffer, one reference more; the stock kernels of the WASM backend copy. */
export const identity: Kernel = ({ device }, inputs) => {
  const x = input(inputs, 'x');
  device.retain(x);
  return reshaped(x, x.shape);
};

export const reshape: Kernel = ({ device }, inputs, attrs) => {
  const x = input(inputs, 'x');
  const shape = util.inferFromImplicitShape(attrs['shape'] as number[], util.sizeFromShape(x.shape));
  device.retain(x);
  return reshaped(x, shape);
};

export const cast: Kernel = (context, inputs, attrs) =>
  input(inputs, 'x').dtype === attrs['dtype'] ? identity(context, inputs, attrs) : call(context, 'Cast', inputs, attrs);
