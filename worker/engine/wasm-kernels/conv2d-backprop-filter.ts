import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Device, elementsOf, floats, reshaped } from '../device.ts';
import { call, input, type Kernel, type KernelContext } from '../kernel.ts';
import { patches } from './conv2d-patches.ts';
import { copyRow, transpose } from './permute.ts';
import { convWindow, type Window } from './window.ts';

/** Up to here the patch matrix is smaller than what the convolution would need, and its product faster. */
const fewChannels = 4;

/** Temporaries of more than these bytes are made for some images at a time, as long as those are enough to compute fast. */
const limits = { patches: { bytes: 2 ** 20, images: 1 }, convolution: { bytes: 2 ** 23, images: 16 } };

/**
 * Gradient of Conv2D for its filter, which the WASM backend lacks: summed over groups of images, so that temporaries
 * do not grow with the batch.
 */
export const conv2dBackpropFilter: Kernel = (context, inputs, attrs) => {
  const { device } = context;
  const x = input(inputs, 'x');
  const dy = input(inputs, 'dy');
  const filterShape = attrs['filterShape'] as number[];
  const window = convWindow(x.shape, filterShape, attrs);
  const group = imagesAtOnce(window);
  if (group >= window.batchSize) return gradient(context, x, dy, window, filterShape);
  const out = device.make(filterShape, 'float32');
  if (device.computes) floats(device, out).fill(0);
  for (let n = 0; n < window.batchSize; n += group) {
    const part = { ...window, batchSize: Math.min(group, window.batchSize - n) };
    const summand = someImages(context, x, n, part, (images) =>
      someImages(context, dy, n, part, (gradients) => gradient(context, images, gradients, part, filterShape)),
    );
    if (device.computes) accumulate(floats(device, out), floats(device, summand));
    device.release(summand);
  }
  return out;
};

function imagesAtOnce(w: Window): number {
  const outSize = w.outHeight * w.outWidth;
  const few = w.inChannels <= fewChannels;
  const perImage = few
    ? w.filterHeight * w.filterWidth * w.inChannels * outSize
    : outSize * w.strideHeight * w.strideWidth * w.inChannels + outSize * w.outChannels;
  const limit = few ? limits.patches : limits.convolution;
  return Math.max(limit.images, Math.floor(limit.bytes / (4 * perImage)));
}

function someImages<T>(
  { device }: KernelContext,
  tensor: TensorInfo,
  first: number,
  { batchSize }: Window,
  body: (part: TensorInfo) => T,
): T {
  const imageShape = tensor.shape.slice(1);
  return device.withPart(tensor, first * elementsOf(imageShape), [batchSize, ...imageShape], body);
}

function accumulate(target: Float32Array, summand: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + (summand[i] as number);
}

function gradient(context: KernelContext, x: TensorInfo, dy: TensorInfo, w: Window, filterShape: number[]): TensorInfo {
  return reshaped(
    w.inChannels <= fewChannels ? byPatches(context, x, dy, w) : byConvolution(context, x, dy, w),
    filterShape,
  );
}

/**
 * A convolution of the input, batch and channels exchanged, with the output's gradient as filter; strides become
 * dilations.
 */
function byConvolution(context: KernelContext, x: TensorInfo, dy: TensorInfo, w: Window): TensorInfo {
  const { device } = context;
  const image = channelsAsBatch(device, x, w);
  const filter = batchAsChannels(device, dy, w);
  const convolved = call(
    context,
    'Conv2D',
    { x: image, filter },
    { strides: 1, pad: 'valid', dataFormat: 'NHWC', dilations: [w.strideHeight, w.strideWidth] },
  );
  device.release(image);
  device.release(filter);
  const out = device.make([w.filterHeight, w.filterWidth, w.inChannels, w.outChannels], 'float32');
  if (device.computes) channelsInside(device, convolved, out, w);
  device.release(convolved);
  return out;
}

/** The window's view of the input as a matrix, times the output's gradient. */
function byPatches(context: KernelContext, x: TensorInfo, dy: TensorInfo, w: Window): TensorInfo {
  const matrix = patches(context.device, x, w);
  const gradient = reshaped(dy, [w.batchSize * w.outHeight * w.outWidth, w.outChannels]);
  const product = call(context, 'BatchMatMul', { a: matrix, b: gradient }, { transposeA: false, transposeB: false });
  context.device.release(matrix);
  return product;
}

/** [N, H, W, C] → [C, H', W', N] with the padding written out, cropped to what the window reads. */
function channelsAsBatch(device: Device, x: TensorInfo, w: Window): TensorInfo {
  const height = (w.outHeight - 1) * w.strideHeight + w.filterHeight;
  const width = (w.outWidth - 1) * w.strideWidth + w.filterWidth;
  const out = device.make([w.inChannels, height, width, w.batchSize], 'float32');
  if (!device.computes) return out;
  const source = floats(device, x);
  const target = floats(device, out);
  const { top, left } = w.padInfo;
  if (top > 0 || left > 0 || height - top > w.inHeight || width - left > w.inWidth) target.fill(0);
  const imageSize = w.inHeight * w.inWidth * w.inChannels;
  const planeSize = height * width * w.batchSize;
  for (let row = Math.max(0, top); row < Math.min(height, w.inHeight + top); row++) {
    for (let column = Math.max(0, left); column < Math.min(width, w.inWidth + left); column++) {
      const from = { at: ((row - top) * w.inWidth + column - left) * w.inChannels, rowStride: imageSize };
      const to = { at: (row * width + column) * w.batchSize, rowStride: planeSize };
      transpose(source, from, target, to, w.batchSize, w.inChannels);
    }
  }
  return out;
}

/** [N, OH, OW, C] → [OH, OW, N, C]. */
function batchAsChannels(device: Device, dy: TensorInfo, w: Window): TensorInfo {
  const out = device.make([w.outHeight, w.outWidth, w.batchSize, w.outChannels], 'float32');
  if (!device.computes) return out;
  const source = floats(device, dy);
  const target = floats(device, out);
  const positions = w.outHeight * w.outWidth;
  let from = 0;
  for (let n = 0; n < w.batchSize; n++) {
    for (let position = 0; position < positions; position++, from += w.outChannels) {
      copyRow(source, from, target, (position * w.batchSize + n) * w.outChannels, w.outChannels);
    }
  }
  return out;
}

/** [C, KH, KW, O] → [KH, KW, C, O]. */
function channelsInside(device: Device, convolved: TensorInfo, out: TensorInfo, w: Window): void {
  const source = floats(device, convolved);
  const target = floats(device, out);
  const taps = w.filterHeight * w.filterWidth;
  let from = 0;
  for (let c = 0; c < w.inChannels; c++) {
    for (let tap = 0; tap < taps; tap++, from += w.outChannels) {
      copyRow(source, from, target, (tap * w.inChannels + c) * w.outChannels, w.outChannels);
    }
  }
}
