import { floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';

/** dy where the activation's output y is positive (and below 6 for Relu6), else 0: needs neither the input nor a mask. */
export const reluGrad: Kernel = ({ device }, inputs, attrs) => {
  const dy = input(inputs, 'dy');
  const y = input(inputs, 'y');
  const out = device.make(dy.shape, 'float32');
  if (!device.computes) return out;
  const limit = (attrs['limit'] as number | undefined) ?? Infinity;
  const gradient = floats(device, dy);
  const output = floats(device, y);
  const target = floats(device, out);
  for (let i = 0; i < target.length; i++) {
    const value = output[i] as number;
    target[i] = value > 0 && value < limit ? (gradient[i] as number) : 0;
  }
  return out;
};
