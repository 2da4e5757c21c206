import type { TensorInfo } from '@tensorflow/tfjs-core';
import { floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';

/** dy where the activation's output y is positive (and below 6 for Relu6), else 0: needs neither the input nor a mask. With `dy2`, of dy + dy2. */
export const reluGrad: Kernel = ({ device }, inputs, attrs) => {
  const dy = input(inputs, 'dy');
  const y = input(inputs, 'y');
  const out = device.make(dy.shape, 'float32');
  if (!device.computes) return out;
  const limit = attrs['limit'] as number | undefined;
  const dy2 = inputs['dy2'] as TensorInfo | undefined;
  const upstream = dy2 === undefined ? floats(device, dy) : sum(floats(device, dy), floats(device, dy2));
  mask(upstream, floats(device, y), floats(device, out), limit ?? Infinity);
  return out;
};

function sum(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, at) => value + (b[at] as number));
}

/** Products instead of branches: signs of activations are as good as random, and a mispredicted branch costs ten products. */
function mask(dy: Float32Array, y: Float32Array, target: Float32Array, limit: number): void {
  for (let i = 0; i < target.length; i++) {
    const value = y[i] as number;
    target[i] = (dy[i] as number) * (Number(value > 0) * Number(value < limit));
  }
}
