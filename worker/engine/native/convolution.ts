import { convWindow } from '../wasm-kernels/window.ts';
import type { KernelAttrs } from './kernel.ts';

/** Which of a convolution's three tensors is computed from the other two; numbered as in addon/convolution.h. */
const products = { forward: 0, inputGradient: 1, filterGradient: 2 } as const;
export type Product = keyof typeof products;

/** Kernels that a GPU computes by cuDNN itself. */
const productOf: Readonly<Record<string, Product>> = {
  Conv2D: 'forward',
  FusedConv2D: 'forward',
  Conv2DBackpropInput: 'inputGradient',
  Conv2DBackpropFilter: 'filterGradient',
};

/** Memory order of filters: TensorFlow's, or what cuDNN wants beside NHWC and beside NCHW. */
export type FilterFormat = 'HWIO' | 'OHWI' | 'OIHW';

export const isChannelsFirst = (attrs: KernelAttrs): boolean => attrs['dataFormat'] === 'NCHW';
export const filterFormatOf = (attrs: KernelAttrs): FilterFormat =>
  (attrs['filterFormat'] as FilterFormat | undefined) ?? 'HWIO';

type Shape = readonly number[];

/** [n, h, w, c] of pictures as they are stored. */
export function pictureShape([n, a, b, c]: Shape, attrs: KernelAttrs): number[] {
  return (isChannelsFirst(attrs) ? [n, b, c, a] : [n, a, b, c]) as number[];
}

/** Pictures of [n, h, w, c] as they are stored. */
export function storedPicture([n, h, w, c]: Shape, attrs: KernelAttrs): number[] {
  return (isChannelsFirst(attrs) ? [n, c, h, w] : [n, h, w, c]) as number[];
}

/** [h, w, in, out] of a filter as it is stored. */
export function filterShape([a, b, c, d]: Shape, attrs: KernelAttrs): number[] {
  const stored = { HWIO: [a, b, c, d], OHWI: [b, c, d, a], OIHW: [c, d, b, a] };
  return stored[filterFormatOf(attrs)] as number[];
}

const order: Readonly<Record<FilterFormat, readonly number[]>> = {
  HWIO: [0, 1, 2, 3],
  OHWI: [3, 0, 1, 2],
  OIHW: [3, 2, 0, 1],
};

/** A filter of [h, w, in, out] as a format stores it. */
export function storedFilter(shape: Shape, format: FilterFormat): number[] {
  return order[format].map((axis) => shape[axis] as number);
}

/** The axes that a transposition takes, one format from the other. */
export function filterAxes(from: FilterFormat, to: FilterFormat): number[] {
  return order[to].map((axis) => order[from].indexOf(axis));
}

/**
 * The numbers of addon/convolution.h. `image` is [n, h, w, c], `filter` [h, w, in, out]. Undefined where the window does not
 * end where its sizes say, or there is nothing to compute.
 */
export function convolutionNumbers(
  product: Product,
  image: Shape,
  filter: Shape,
  attrs: KernelAttrs,
): number[] | undefined {
  const w = convWindow(image, filter, attrs);
  const { top, bottom, left, right } = w.padInfo;
  const outputs = (size: number, pads: number, window: number, dilation: number, stride: number) =>
    Math.floor((size + pads - (window - 1) * dilation - 1) / stride) + 1;
  const [height, width] = [
    outputs(w.inHeight, top + bottom, w.filterHeight, w.dilationHeight, w.strideHeight),
    outputs(w.inWidth, left + right, w.filterWidth, w.dilationWidth, w.strideWidth),
  ];
  const isWhole = height === w.outHeight && width === w.outWidth && filter[2] === w.inChannels;
  const sizes = [w.batchSize, w.inHeight, w.inWidth, w.inChannels, w.outHeight, w.outWidth, w.outChannels];
  if (!isWhole || sizes.includes(0)) return undefined;
  const window = [w.filterHeight, w.filterWidth, w.strideHeight, w.strideWidth, w.dilationHeight, w.dilationWidth];
  return [products[product], Number(isChannelsFirst(attrs)), ...sizes, ...window, top, bottom, left, right];
}

/** The same of a node by its kernel and the stored shapes of what it reads; undefined where it is no convolution of ours. */
export function numbersOfNode(
  kernel: string,
  shapeOf: (input: string) => Shape,
  attrs: KernelAttrs,
): number[] | undefined {
  const product = productOf[kernel];
  if (product === undefined) return undefined;
  const image = product === 'inputGradient' ? (attrs['inputShape'] as Shape) : pictureShape(shapeOf('x'), attrs);
  const filter = product === 'filterGradient' ? (attrs['filterShape'] as Shape) : filterShape(shapeOf('filter'), attrs);
  return convolutionNumbers(product, image, filter, attrs);
}
