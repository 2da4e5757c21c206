import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Device, floats } from '../device.ts';
import type { Window } from './window.ts';

/**
 * The window's view of the input as a matrix [KH · KW · C, N · OH · OW], zeros where it looks at padding: one row a
 * filter element, so that its product with the output's gradient is the filter's gradient as it lies in memory.
 */
export function patches(device: Device, x: TensorInfo, w: Window): TensorInfo {
  const positions = w.batchSize * w.outHeight * w.outWidth;
  const out = device.make([w.filterHeight * w.filterWidth * w.inChannels, positions], 'float32');
  if (!device.computes) return out;
  const source = floats(device, x);
  const target = floats(device, out);
  let at = 0;
  for (let kh = 0; kh < w.filterHeight; kh++) {
    for (let kw = 0; kw < w.filterWidth; kw++) {
      for (let c = 0; c < w.inChannels; c++) {
        for (let n = 0; n < w.batchSize; n++) {
          for (let oh = 0; oh < w.outHeight; oh++, at += w.outWidth) {
            const row = oh * w.strideHeight - w.padInfo.top + kh;
            const image = (n * w.inHeight + row) * w.inWidth;
            fillRow(source, image, row >= 0 && row < w.inHeight, target, at, kw - w.padInfo.left, c, w);
          }
        }
      }
    }
  }
  return out;
}

/** One output row: zeros where the window looks left or right of the image, pixels `stride` apart between. */
function fillRow(
  source: Float32Array,
  image: number,
  inside: boolean,
  target: Float32Array,
  at: number,
  left: number,
  channel: number,
  w: Window,
): void {
  const first = inside ? Math.min(w.outWidth, Math.max(0, Math.ceil(-left / w.strideWidth))) : w.outWidth;
  const last = Math.max(first, Math.min(w.outWidth, Math.ceil((w.inWidth - left) / w.strideWidth)));
  const step = w.strideWidth * w.inChannels;
  let from = (image + left + first * w.strideWidth) * w.inChannels + channel;
  for (let ow = 0; ow < first; ow++) target[at + ow] = 0;
  for (let ow = first; ow < last; ow++, from += step) target[at + ow] = source[from] as number;
  for (let ow = last; ow < w.outWidth; ow++) target[at + ow] = 0;
}
