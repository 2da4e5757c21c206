import { type Format, filterFormats, logicalShape } from '../../graph/format.ts';
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

type Shape = readonly number[];

export const isChannelsFirst = (attrs: KernelAttrs): boolean => attrs['dataFormat'] === 'NCHW';

/** Format of the pictures that a kernel takes and makes. */
export const pictureFormat = (attrs: KernelAttrs): Format => (isChannelsFirst(attrs) ? 'NCHW' : 'plain');

/** Format of the filter that a convolution takes or makes; plain is TensorFlow's own, HWIO. */
export const filterFormat = (attrs: KernelAttrs): Format => (attrs['filterFormat'] as Format | undefined) ?? 'plain';

/** Format that cuDNN wants filters in, beside the kernel's pictures. */
export const cudnnFilterFormat = (attrs: KernelAttrs): Format =>
  filterFormats[isChannelsFirst(attrs) ? 'NCHW' : 'NHWC'];

/** [n, h, w, c] of pictures as they are stored. */
export const pictureShape = (stored: Shape, attrs: KernelAttrs): number[] => logicalShape(stored, pictureFormat(attrs));

/** [h, w, in, out] of a filter as it is stored. */
export const filterShape = (stored: Shape, attrs: KernelAttrs): number[] => logicalShape(stored, filterFormat(attrs));

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
