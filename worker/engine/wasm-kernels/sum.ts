import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import { type Device, elementsOf, floats } from '../device.ts';
import { call, input, type Kernel } from '../kernel.ts';

/** Sum over leading axes (bias gradients) in one pass; the stock kernel transposes the whole input first. */
export const sum: Kernel = (context, inputs, attrs) => {
  const x = input(inputs, 'x');
  const axes = util.parseAxisParam(attrs['axis'] as number[], x.shape);
  const leading = axes.every((axis, index) => axis === index) && axes.length < x.shape.length;
  if (!leading || axes.length === 0 || x.dtype !== 'float32') return call(context, 'Sum', inputs, attrs);
  const [outShape] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  const shape = attrs['keepDims'] === true ? backend_util.expandShapeToKeepDim(outShape, axes) : outShape;
  const out = context.device.make(shape, 'float32');
  if (context.device.computes) sumRows(context.device, x, out, elementsOf(outShape));
  return out;
};

function sumRows(device: Device, x: TensorInfo, out: TensorInfo, width: number): void {
  const source = floats(device, x);
  const sums = new Float64Array(width);
  for (let at = 0; at < source.length; at += width) {
    for (let c = 0; c < width; c++) sums[c] = (sums[c] as number) + (source[at + c] as number);
  }
  floats(device, out).set(sums);
}
