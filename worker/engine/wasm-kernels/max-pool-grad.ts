import type { TensorInfo } from '@tensorflow/tfjs-core';
import { floats, type KernelAttrs, type KernelInputs } from '../device.ts';
import { input, type Kernel, type KernelContext } from '../kernel.ts';
import { poolWindow, type Window } from './window.ts';

/**
 * Sends each output's gradient to the first largest element of its window. The stock kernel starts its search at the
 * smallest positive float and so finds nothing in windows without positive elements.
 */
export const maxPoolGrad: Kernel = (context, inputs, attrs) => gradient(context, inputs, attrs, -Infinity);

/** The same where the pooled tensor came from a ReLU, whose gradient is taken in the same pass. */
export const maxPoolReluGrad: Kernel = (context, inputs, attrs) => gradient(context, inputs, attrs, 0);

/** Windows whose largest element is not above `floor` pass nothing on. */
function gradient({ device }: KernelContext, inputs: KernelInputs, attrs: KernelAttrs, floor: number): TensorInfo {
  const image = input(inputs, 'input');
  const dy = input(inputs, 'dy');
  const window = poolWindow(image.shape, attrs);
  const out = device.make(image.shape, 'float32');
  if (!device.computes) return out;
  const [source, upstream, target] = [floats(device, image), floats(device, dy), floats(device, out)];
  if (isQuartering(window)) quarter(window, source, upstream, target, floor);
  else route(window, source, upstream, target.fill(0), floor);
  return out;
}

/** The usual 2 × 2 window with stride 2 on an even image: every element lies in exactly one window. */
function isQuartering(w: Window): boolean {
  const sizes = [w.filterHeight, w.filterWidth, w.strideHeight, w.strideWidth];
  return sizes.every((size) => size === 2) && w.inHeight === 2 * w.outHeight && w.inWidth === 2 * w.outWidth;
}

function quarter(w: Window, x: Float32Array, dy: Float32Array, target: Float32Array, floor: number): void {
  const channels = w.inChannels;
  const rowStep = w.inWidth * channels;
  const rows = w.batchSize * w.outHeight;
  let from = 0;
  for (let row = 0; row < rows; row++) {
    let a = 2 * row * rowStep;
    for (let column = 0; column < w.outWidth; column++, a += channels) {
      for (let c = 0; c < channels; c++, a++, from++) {
        const b = a + channels;
        const d = a + rowStep;
        const e = b + rowStep;
        let best = a;
        let largest = x[a] as number;
        if ((x[b] as number) > largest) largest = x[(best = b)] as number;
        if ((x[d] as number) > largest) largest = x[(best = d)] as number;
        if ((x[e] as number) > largest) largest = x[(best = e)] as number;
        target[a] = 0;
        target[b] = 0;
        target[d] = 0;
        target[e] = 0;
        if (largest > floor) target[best] = dy[from] as number;
      }
    }
  }
}

function route(w: Window, x: Float32Array, dy: Float32Array, target: Float32Array, floor: number): void {
  const channels = w.inChannels;
  const rowStep = w.inWidth * channels;
  let at = 0;
  for (let n = 0; n < w.batchSize; n++) {
    const image = n * w.inHeight * rowStep;
    for (let oh = 0; oh < w.outHeight; oh++) {
      const top = oh * w.strideHeight - w.padInfo.top;
      const firstRow = Math.max(top, 0);
      const lastRow = Math.min(top + w.filterHeight, w.inHeight);
      for (let ow = 0; ow < w.outWidth; ow++) {
        const left = ow * w.strideWidth - w.padInfo.left;
        const firstColumn = Math.max(left, 0);
        const lastColumn = Math.min(left + w.filterWidth, w.inWidth);
        const corner = image + firstRow * rowStep + firstColumn * channels;
        for (let c = 0; c < channels; c++, at++) {
          let best = corner + c;
          let largest = x[best] as number;
          for (let row = firstRow; row < lastRow; row++) {
            let position = image + row * rowStep + firstColumn * channels + c;
            for (let column = firstColumn; column < lastColumn; column++, position += channels) {
              const value = x[position] as number;
              if (value > largest) {
                largest = value;
                best = position;
              }
            }
          }
          if (largest > floor) target[best] = (target[best] as number) + (dy[at] as number);
        }
      }
    }
  }
}
