import { type Format, permutation, storedShape } from '../../../graph/format.ts';
import { convWindow, type Window } from '../../wasm-kernels/window.ts';
import { type Attributes, ints, text } from '../attributes.ts';
import {
  convolutionNumbers,
  cudnnFilterFormat,
  filterFormat,
  filterShape,
  type Product,
  pictureFormat,
  pictureShape,
} from '../convolution.ts';
import { input, type Kernel, type KernelAttrs } from '../kernel.ts';
import type { Ops, Spec, Tensor } from '../ops.ts';
import { finishFused } from './activation.ts';
import { smallOr } from './small-convolution.ts';

/** How TensorFlow's ops name the sliding window of {@link Window}. */
export function windowAttributes(window: Window, pictures: Format): Attributes {
  const channelsFirst = pictures === 'NCHW';
  const { padInfo, strideHeight, strideWidth, dilationHeight, dilationWidth } = window;
  const explicit = padInfo.type === 'NUMBER' || padInfo.type === 'EXPLICIT';
  const { top, bottom, left, right } = padInfo;
  const spread = (height: number, width: number) => ints(channelsFirst ? [1, 1, height, width] : [1, height, width, 1]);
  const pads = [top, bottom, left, right];
  return {
    strides: spread(strideHeight, strideWidth),
    padding: text(explicit ? 'EXPLICIT' : padInfo.type),
    ...(explicit && { explicit_paddings: ints(channelsFirst ? [0, 0, 0, 0, ...pads] : [0, 0, ...pads, 0, 0]) }),
    ...((dilationHeight !== 1 || dilationWidth !== 1) && { dilations: spread(dilationHeight, dilationWidth) }),
    ...(channelsFirst && { data_format: text('NCHW') }),
  };
}

const isDepthwise = (kernel: string) => kernel.includes('Depthwise');
const isOurs = (ops: Ops, kernel: string) => ops.device === 'gpu' && !isDepthwise(kernel);
const opFor = (kernel: string) => (isDepthwise(kernel) ? 'DepthwiseConv2dNative' : 'Conv2D');

/** The product by cuDNN itself; undefined where TensorFlow's op must do it. `image` and `filter` are logical shapes. */
function byDevice(
  ops: Ops,
  product: Product,
  [image, filter]: readonly [readonly number[], readonly number[]],
  attrs: KernelAttrs,
  given: readonly [Tensor, Tensor],
  out: Spec,
): Tensor | undefined {
  if (given.some(({ dtype }) => dtype !== 'float32')) return undefined;
  const convolution = ops.prepared(attrs, image, filter, () => convolutionNumbers(product, image, filter, attrs));
  if (convolution === undefined) return undefined;
  return ops.convolve(convolution, given, out, (attrs['workspaceBytes'] as number | undefined) ?? Infinity);
}

/** Computes with a filter in another order: itself where it has that order, else a copy that is released. */
function withFilter<T>(ops: Ops, filter: Tensor, attrs: KernelAttrs, to: Format, body: (filter: Tensor) => T): T {
  const from = filterFormat(attrs);
  if (from === to) return body(filter);
  const copy = reordered(ops, filter, filterShape(filter.shape, attrs), from, to, []);
  const made = body(copy);
  ops.release(copy);
  return made;
}

function reordered(
  ops: Ops,
  filter: Tensor,
  shape: readonly number[],
  from: Format,
  to: Format,
  consumed: readonly Tensor[],
): Tensor {
  const out = { shape: storedShape(shape, to), dtype: filter.dtype };
  return ops.one('Transpose', [filter, ops.constant(permutation(from, to), 'int32')], out, {}, consumed);
}

const forward =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [x, filter] = [input(inputs, 'x'), input(inputs, 'filter')];
    const shapes = [pictureShape(x.shape, attrs), filterShape(filter.shape, attrs)] as const;
    const window = convWindow(...shapes, attrs, isDepthwise(kernel));
    const out = { shape: storedShape(window.outShape, pictureFormat(attrs)), dtype: x.dtype };
    const own = isOurs(ops, kernel)
      ? withFilter(ops, filter, attrs, cudnnFilterFormat(attrs), (f) =>
          byDevice(ops, 'forward', shapes, attrs, [x, f], out),
        )
      : undefined;
    const attributes = () => windowAttributes(window, pictureFormat(attrs));
    const made =
      own ?? withFilter(ops, filter, attrs, 'plain', (f) => ops.one(opFor(kernel), [x, f], out, attributes()));
    return finishFused(ops, made, inputs, attrs);
  };

const filterGradient =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [x, dy] = [input(inputs, 'x'), input(inputs, 'dy')];
    const shape = attrs['filterShape'] as number[];
    const shapes = [pictureShape(x.shape, attrs), shape] as const;
    const specOf = (format: Format) => ({ shape: storedShape(shape, format), dtype: x.dtype });
    const finished = (made: Tensor, format: Format) => {
      const wanted = filterFormat(attrs);
      return format === wanted ? made : reordered(ops, made, shape, format, wanted, [made]);
    };
    const format = cudnnFilterFormat(attrs);
    const own = isOurs(ops, kernel)
      ? byDevice(ops, 'filterGradient', shapes, attrs, [x, dy], specOf(format))
      : undefined;
    if (own !== undefined) return finished(own, format);
    const attributes = windowAttributes(convWindow(...shapes, attrs, isDepthwise(kernel)), pictureFormat(attrs));
    const sizes = ops.constant(shape, 'int32');
    return finished(ops.one(`${opFor(kernel)}BackpropFilter`, [x, sizes, dy], specOf('plain'), attributes), 'plain');
  };

const inputGradient =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [dy, filter] = [input(inputs, 'dy'), input(inputs, 'filter')];
    const shape = attrs['inputShape'] as number[];
    const shapes = [shape, filterShape(filter.shape, attrs)] as const;
    const out = { shape: storedShape(shape, pictureFormat(attrs)), dtype: dy.dtype };
    const own = isOurs(ops, kernel)
      ? withFilter(ops, filter, attrs, cudnnFilterFormat(attrs), (f) =>
          byDevice(ops, 'inputGradient', shapes, attrs, [dy, f], out),
        )
      : undefined;
    if (own !== undefined) return own;
    const attributes = windowAttributes(convWindow(...shapes, attrs, isDepthwise(kernel)), pictureFormat(attrs));
    const sizes = ops.constant(out.shape, 'int32');
    return withFilter(ops, filter, attrs, 'plain', (f) =>
      ops.one(`${opFor(kernel)}BackpropInput`, [sizes, f, dy], out, attributes),
    );
  };

const names = {
  forward: ['Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2D'],
  filter: ['Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter'],
  input: ['Conv2DBackpropInput', 'DepthwiseConv2dNativeBackpropInput'],
};

export const convolutions: ReadonlyMap<string, Kernel> = new Map([
  ...names.forward.map((name) => [name, smallOr(name, forward(name))] as const),
  ...names.filter.map((name) => [name, smallOr(name, filterGradient(name))] as const),
  ...names.input.map((name) => [name, smallOr(name, inputGradient(name))] as const),
]);
