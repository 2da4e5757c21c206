import { convWindow, type Window } from '../../wasm-kernels/window.ts';
import { type Attributes, ints, text } from '../attributes.ts';
import { input, type Kernel, type KernelAttrs } from '../kernel.ts';
import { finishFused } from './activation.ts';

/** How TensorFlow's ops name the sliding window of {@link Window}; NHWC. */
export function windowAttributes(window: Window): Attributes {
  const { padInfo, strideHeight, strideWidth, dilationHeight, dilationWidth } = window;
  const explicit = padInfo.type === 'NUMBER' || padInfo.type === 'EXPLICIT';
  const { top, bottom, left, right } = padInfo;
  return {
    strides: ints([1, strideHeight, strideWidth, 1]),
    padding: text(explicit ? 'EXPLICIT' : padInfo.type),
    ...(explicit && { explicit_paddings: ints([0, 0, top, bottom, left, right, 0, 0]) }),
    ...((dilationHeight !== 1 || dilationWidth !== 1) && { dilations: ints([1, dilationHeight, dilationWidth, 1]) }),
  };
}

const isDepthwise = (kernel: string) => kernel.includes('Depthwise');
const opFor = (kernel: string) => (isDepthwise(kernel) ? 'DepthwiseConv2dNative' : 'Conv2D');

const forward =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [x, filter] = [input(inputs, 'x'), input(inputs, 'filter')];
    const window = geometry(x.shape, filter.shape, attrs, kernel);
    const attributes = windowAttributes(window);
    const out = { shape: window.outShape, dtype: x.dtype };
    return finishFused(ops, ops.one(opFor(kernel), [x, filter], out, attributes), inputs, attrs);
  };

const filterGradient =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [x, dy] = [input(inputs, 'x'), input(inputs, 'dy')];
    const shape = attrs['filterShape'] as number[];
    const attributes = windowAttributes(geometry(x.shape, shape, attrs, kernel));
    const sizes = ops.constant(shape, 'int32');
    return ops.one(`${opFor(kernel)}BackpropFilter`, [x, sizes, dy], { shape, dtype: x.dtype }, attributes);
  };

const inputGradient =
  (kernel: string): Kernel =>
  (ops, inputs, attrs) => {
    const [dy, filter] = [input(inputs, 'dy'), input(inputs, 'filter')];
    const shape = attrs['inputShape'] as number[];
    const attributes = windowAttributes(geometry(shape, filter.shape, attrs, kernel));
    const sizes = ops.constant(shape, 'int32');
    return ops.one(`${opFor(kernel)}BackpropInput`, [sizes, filter, dy], { shape, dtype: dy.dtype }, attributes);
  };

function geometry(x: readonly number[], filter: readonly number[], attrs: KernelAttrs, kernel: string): Window {
  return convWindow(x, filter, attrs, isDepthwise(kernel));
}

const names = {
  forward: ['Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2D'],
  filter: ['Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter'],
  input: ['Conv2DBackpropInput', 'DepthwiseConv2dNativeBackpropInput'],
};

export const convolutions: ReadonlyMap<string, Kernel> = new Map([
  ...names.forward.map((name) => [name, forward(name)] as const),
  ...names.filter.map((name) => [name, filterGradient(name)] as const),
  ...names.input.map((name) => [name, inputGradient(name)] as const),
]);
