import { elementsOf } from '../../device.ts';
import { convWindow, type Window } from '../../wasm-kernels/window.ts';
import { input, type Kernel, type KernelAttrs, type KernelInputs } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';
import { finishFused } from './activation.ts';

/** What the addon's kernels take: height and width of the window and of its strides, rows above and columns before the image. */
export function windowNumbers(window: Window): number[] {
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = window;
  return [filterHeight, filterWidth, strideHeight, strideWidth, padInfo.top, padInfo.left];
}

/** Filters of up to so many numbers stay in the nearest cache; with larger ones TensorFlow is as fast, or faster. */
const mostWeights = 4096;
const mostPixels = 128 * 128;

function isSmall(window: Window): boolean {
  const { inShape, outShape, inChannels, outChannels, filterHeight, filterWidth, padInfo } = window;
  return (
    filterHeight * filterWidth * inChannels * outChannels <= mostWeights &&
    window.inHeight * window.inWidth <= mostPixels &&
    elementsOf(inShape) > 0 &&
    elementsOf(outShape) > 0 &&
    window.dilationHeight === 1 &&
    window.dilationWidth === 1 &&
    padInfo.top < filterHeight &&
    padInfo.left < filterWidth
  );
}

type Way = (ops: Ops, inputs: KernelInputs, attrs: KernelAttrs) => Tensor | undefined;

const forward: Way = (ops, inputs, attrs) => {
  const [x, filter] = [input(inputs, 'x'), input(inputs, 'filter')];
  const window = convWindow(x.shape, filter.shape, attrs);
  if (!isSmall(window)) return undefined;
  const { outShape, outHeight, outWidth, outChannels } = window;
  const activation = (attrs['activation'] as string | undefined) ?? 'linear';
  const bias = inputs['bias'] as Tensor | undefined;
  const isAtOnce = bias?.shape.join() === String(outChannels) && (activation === 'linear' || activation === 'relu');
  const end = [isAtOnce && activation === 'relu', isAtOnce ? bias.ref : undefined] as const;
  const out = ops.own('Conv2D', { shape: outShape, dtype: x.dtype }, (addon, context) =>
    addon.smallConvolution(context, x.ref, filter.ref, windowNumbers(window), [outHeight, outWidth], ...end),
  );
  return isAtOnce ? out : finishFused(ops, out, inputs, attrs);
};

const inputGradient: Way = (ops, inputs, attrs) => {
  const [dy, filter] = [input(inputs, 'dy'), input(inputs, 'filter')];
  const shape = attrs['inputShape'] as number[];
  const window = convWindow(shape, filter.shape, attrs);
  if (!isSmall(window) || window.strideHeight !== 1 || window.strideWidth !== 1) return undefined;
  return ops.own('Conv2DBackpropInput', { shape, dtype: dy.dtype }, (addon, context) =>
    addon.smallConvolutionInputGrad(context, dy.ref, filter.ref, windowNumbers(window), shape.slice(1, 3)),
  );
};

const filterGradient: Way = (ops, inputs, attrs) => {
  const [x, dy] = [input(inputs, 'x'), input(inputs, 'dy')];
  const shape = attrs['filterShape'] as number[];
  const window = convWindow(x.shape, shape, attrs);
  if (!isSmall(window)) return undefined;
  return ops.own('Conv2DBackpropFilter', { shape, dtype: x.dtype }, (addon, context) =>
    addon.smallConvolutionFilterGrad(context, x.ref, dy.ref, windowNumbers(window)),
  );
};

const ways: Readonly<Record<string, Way>> = {
  Conv2D: forward,
  FusedConv2D: forward,
  Conv2DBackpropInput: inputGradient,
  Conv2DBackpropFilter: filterGradient,
};

/** The kernel `name` as `other`, but for small filters and pictures on a CPU, which are for kernels of ours. */
export function smallOr(name: string, other: Kernel): Kernel {
  const way = ways[name];
  if (way === undefined) return other;
  return (ops, inputs, attrs) =>
    (ops.device === 'cpu' ? way(ops, inputs, attrs) : undefined) ?? other(ops, inputs, attrs);
}
