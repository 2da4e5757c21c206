import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Device, floats } from '../device.ts';
import { call, input, type Kernel } from '../kernel.ts';
import { copyRow, transpose } from './permute.ts';
import { convWindow, type Window } from './window.ts';

/**
 * Gradient of Conv2D for its input, as a convolution of the output's gradient (zeros between its elements where the
 * stride is above 1) with the flipped filter; the stock kernel is a scalar loop.
 */
export const conv2dBackpropInput: Kernel = (context, inputs, attrs) => {
  const { device } = context;
  const dy = input(inputs, 'dy');
  const filter = input(inputs, 'filter');
  const window = convWindow(attrs['inputShape'] as number[], filter.shape, attrs);
  const flipped = flip(device, filter, window);
  const before = [window.filterHeight - 1 - window.padInfo.top, window.filterWidth - 1 - window.padInfo.left] as const;
  const after = [
    window.inHeight - window.outHeight + window.padInfo.top,
    window.inWidth - window.outWidth + window.padInfo.left,
  ];
  const direct =
    window.strideHeight === 1 && window.strideWidth === 1 && [...before, ...after].every((pad) => pad >= 0);
  const image = direct ? dy : spread(device, dy, window, before);
  const pad = direct
    ? [
        [0, 0],
        [before[0], after[0]],
        [before[1], after[1]],
        [0, 0],
      ]
    : 'valid';
  const out = call(
    context,
    'Conv2D',
    { x: image, filter: flipped },
    { strides: 1, pad, dataFormat: 'NHWC', dilations: 1 },
  );
  device.release(flipped);
  if (!direct) device.release(image);
  return out;
};

/** [KH, KW, C, O] → [KH, KW, O, C], both spatial axes reversed. */
function flip(device: Device, filter: TensorInfo, w: Window): TensorInfo {
  const out = device.make([w.filterHeight, w.filterWidth, w.outChannels, w.inChannels], 'float32');
  if (!device.computes) return out;
  const source = floats(device, filter);
  const target = floats(device, out);
  const taps = w.filterHeight * w.filterWidth;
  const size = w.inChannels * w.outChannels;
  for (let tap = 0; tap < taps; tap++) {
    const from = { at: tap * size, rowStride: w.outChannels };
    const to = { at: (taps - 1 - tap) * size, rowStride: w.inChannels };
    transpose(source, from, target, to, w.inChannels, w.outChannels);
  }
  return out;
}

/** Writes dy, `stride` apart and `before` from the corner, into zeros of the size that a valid convolution needs. */
function spread(device: Device, dy: TensorInfo, w: Window, before: readonly [number, number]): TensorInfo {
  const height = w.inHeight + w.filterHeight - 1;
  const width = w.inWidth + w.filterWidth - 1;
  const out = device.make([w.batchSize, height, width, w.outChannels], 'float32');
  if (!device.computes) return out;
  const source = floats(device, dy);
  const target = floats(device, out).fill(0);
  let from = 0;
  for (let n = 0; n < w.batchSize; n++) {
    for (let oh = 0; oh < w.outHeight; oh++) {
      const row = before[0] + oh * w.strideHeight;
      for (let ow = 0; ow < w.outWidth; ow++, from += w.outChannels) {
        const column = before[1] + ow * w.strideWidth;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        copyRow(source, from, target, ((n * height + row) * width + column) * w.outChannels, w.outChannels);
      }
    }
  }
  return out;
}
