import type { DType } from '../../graph/graph.ts';
import { input, type Kernel } from '../kernel.ts';

/**
 * One row an index: `onValue` at the index, `offValue` elsewhere, nothing on for an index out of range. The stock kernel
 * writes the bits of an integer into a float32 result.
 */
export const oneHot: Kernel = ({ device }, inputs, attrs) => {
  const indices = input(inputs, 'indices');
  const { depth, onValue, offValue, dtype } = attrs as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: DType;
  };
  const out = device.make([...indices.shape, depth], dtype);
  if (!device.computes) return out;
  const target = device.view(out).fill(offValue);
  for (const [row, index] of device.view(indices).entries()) {
    if (index >= 0 && index < depth) target[row * depth + index] = onValue;
  }
  return out;
};
