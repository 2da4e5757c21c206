import { floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';
import { poolWindow, type Window } from './window.ts';

/**
 * Spreads each output's gradient evenly over the elements that its window really covered. The stock kernels divide by
 * the whole window even where SAME padding cut it. Needs the input's shape only: attribute `inputShape`, or the input itself as TensorFlow.js passes it.
 */
export const avgPoolGrad: Kernel = ({ device }, inputs, attrs) => {
  const dy = input(inputs, 'dy');
  const inputShape = (attrs['inputShape'] as number[] | undefined) ?? input(inputs, 'input').shape;
  const window = poolWindow(inputShape, attrs);
  const out = device.make(inputShape, 'float32');
  if (device.computes) spread(window, floats(device, dy), floats(device, out).fill(0));
  return out;
};

function spread(w: Window, dy: Float32Array, target: Float32Array): void {
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
        const share = 1 / ((lastRow - firstRow) * (lastColumn - firstColumn));
        for (let row = firstRow; row < lastRow; row++) {
          for (let column = firstColumn; column < lastColumn; column++) {
            const position = image + row * rowStep + column * channels;
            for (let c = 0; c < channels; c++) {
              target[position + c] = (target[position + c] as number) + (dy[at + c] as number) * share;
            }
          }
        }
        at += channels;
      }
    }
  }
}
