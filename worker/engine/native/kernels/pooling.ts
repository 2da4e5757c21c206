import { storedShape } from '../../../graph/format.ts';
import { elementsOf } from '../../device.ts';
import { poolWindow } from '../../wasm-kernels/window.ts';
import { type Attributes, ints } from '../attributes.ts';
import { isChannelsFirst, pictureFormat, pictureShape } from '../convolution.ts';
import { input, type Kernel, type KernelAttrs } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';
import { windowAttributes } from './convolution.ts';
import { windowNumbers } from './small-convolution.ts';

/** `shape` is [n, h, w, c]. */
function geometry(shape: readonly number[], attrs: KernelAttrs): { outShape: number[]; attributes: Attributes } {
  const window = poolWindow(shape, attrs);
  const first = isChannelsFirst(attrs);
  const { filterHeight, filterWidth } = window;
  const ksize = ints(first ? [1, 1, filterHeight, filterWidth] : [1, filterHeight, filterWidth, 1]);
  const outShape = storedShape(window.outShape, pictureFormat(attrs));
  return { outShape, attributes: { ...windowAttributes(window, pictureFormat(attrs)), ksize } };
}

const pool =
  (op: string): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    const { outShape, attributes } = geometry(pictureShape(x.shape, attrs), attrs);
    return ops.one(op, [x], { shape: outShape, dtype: x.dtype }, attributes);
  };

const maxPool: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const isOwn = ops.device === 'cpu' || (ops.ownOps.has('maxPool') && elementsOf(x.shape) < 2 ** 31);
  if (!isOwn || x.dtype !== 'float32') return pool('MaxPool')(ops, inputs, attrs);
  const window = poolWindow(pictureShape(x.shape, attrs), attrs);
  const size = [window.outHeight, window.outWidth];
  const pooled = (image: Tensor, outShape: readonly number[]) =>
    ops.own('MaxPool', { shape: outShape, dtype: image.dtype }, (addon, context) =>
      addon.maxPool(context, image.ref, windowNumbers(window), size),
    );
  if (!isChannelsFirst(attrs)) return pooled(x, window.outShape);
  const planes = asPlanes(ops, x);
  const made = pooled(planes, [planes.shape[0] as number, ...size, 1]);
  const result = ops.alias(made, storedShape(window.outShape, pictureFormat(attrs)));
  for (const tensor of [planes, made]) ops.release(tensor);
  return result;
};

/** Windows whose largest element is not above `floor` pass nothing on: 0 where the pooled tensor came from a ReLU. */
const maxGradient =
  (floor: number): Kernel =>
  (ops, inputs, attrs) => {
    const [image, dy] = [input(inputs, 'input'), input(inputs, 'dy')];
    const shape = pictureShape(image.shape, attrs);
    const window = windowNumbers(poolWindow(shape, attrs));
    if (!isChannelsFirst(attrs)) return ops.maxPoolGrad(image, dy, window, floor);
    const planes = [image, dy].map((tensor) => asPlanes(ops, tensor)) as [Tensor, Tensor];
    const made = ops.maxPoolGrad(...planes, window, floor);
    const gradient = ops.alias(made, image.shape);
    for (const tensor of [...planes, made]) ops.release(tensor);
    return gradient;
  };

/** Pictures with their channels first as more pictures of one channel. */
function asPlanes(ops: Ops, tensor: Tensor): Tensor {
  const [n, c, h, w] = tensor.shape as [number, number, number, number];
  return ops.alias(tensor, [n * c, h, w, 1]);
}

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
  ['MaxPool', maxPool],
  ['MaxPoolGrad', maxGradient(-Infinity)],
  ['MaxPoolReluGrad', maxGradient(0)],
]);
