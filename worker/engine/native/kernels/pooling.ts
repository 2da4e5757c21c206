import { poolWindow } from '../../wasm-kernels/window.ts';
import { type Attributes, ints } from '../attributes.ts';
import { input, type Kernel, type KernelAttrs } from '../kernel.ts';
import { windowAttributes } from './convolution.ts';

function geometry(shape: readonly number[], attrs: KernelAttrs): { outShape: number[]; attributes: Attributes } {
  const window = poolWindow(shape, attrs);
  const ksize = ints([1, window.filterHeight, window.filterWidth, 1]);
  return { outShape: window.outShape, attributes: { ...windowAttributes(window), ksize } };
}

const pool =
  (op: string): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    const { outShape, attributes } = geometry(x.shape, attrs);
    return ops.one(op, [x], { shape: outShape, dtype: x.dtype }, attributes);
  };

/** Windows whose largest element is not above `floor` pass nothing on: 0 where the pooled tensor came from a ReLU. */
const maxGradient =
  (floor: number): Kernel =>
  (ops, inputs, attrs) => {
    const image = input(inputs, 'input');
    const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = poolWindow(image.shape, attrs);
    const window = [filterHeight, filterWidth, strideHeight, strideWidth, padInfo.top, padInfo.left];
    return ops.maxPoolGrad(image, input(inputs, 'dy'), window, floor);
  };

/** Needs the input's shape only: attribute `inputShape`, or the input itself as TensorFlow.js passes it. */
const avgPoolGrad: Kernel = (ops, inputs, attrs) => {
  const dy = input(inputs, 'dy');
  const shape = (attrs['inputShape'] as number[] | undefined) ?? input(inputs, 'input').shape;
  const { attributes } = geometry(shape, attrs);
  return ops.one('AvgPoolGrad', [ops.constant(shape, 'int32'), dy], { shape, dtype: dy.dtype }, attributes);
};

export const poolings: ReadonlyMap<string, Kernel> = new Map([
  ['AvgPool', pool('AvgPool')],
  ['AvgPoolGrad', avgPoolGrad],
  ['MaxPool', pool('MaxPool')],
  ['MaxPoolGrad', maxGradient(-Infinity)],
  ['MaxPoolReluGrad', maxGradient(0)],
]);
