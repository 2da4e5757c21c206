import { floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';
import { convWindow, type Window } from './window.ts';

/** Gradient of a depthwise convolution for its filter [height, width, channels, multiplier]. */
export const depthwiseBackpropFilter: Kernel = ({ device }, inputs, attrs) => {
  const x = input(inputs, 'x');
  const dy = input(inputs, 'dy');
  const filterShape = attrs['filterShape'] as number[];
  const window = convWindow(x.shape, filterShape, attrs, true);
  const out = device.make(filterShape, 'float32');
  if (!device.computes) return out;
  const image = floats(device, x);
  const gradient = floats(device, dy);
  const target = floats(device, out).fill(0);
  const multiplier = filterShape[3] as number;
  eachTap(window, multiplier, (xAt, dyAt, filterAt) => {
    for (let c = 0; c < window.inChannels; c++) {
      const value = image[xAt + c] as number;
      for (let m = 0; m < multiplier; m++) {
        const k = c * multiplier + m;
        target[filterAt + k] = (target[filterAt + k] as number) + value * (gradient[dyAt + k] as number);
      }
    }
  });
  return out;
};

/** Gradient of a depthwise convolution for its input. */
export const depthwiseBackpropInput: Kernel = ({ device }, inputs, attrs) => {
  const dy = input(inputs, 'dy');
  const filter = input(inputs, 'filter');
  const window = convWindow(attrs['inputShape'] as number[], filter.shape, attrs, true);
  const out = device.make(attrs['inputShape'] as number[], 'float32');
  if (!device.computes) return out;
  const weights = floats(device, filter);
  const gradient = floats(device, dy);
  const target = floats(device, out).fill(0);
  const multiplier = filter.shape[3] as number;
  eachTap(window, multiplier, (xAt, dyAt, filterAt) => {
    for (let c = 0; c < window.inChannels; c++) {
      let sum = target[xAt + c] as number;
      for (let m = 0; m < multiplier; m++) {
        const k = c * multiplier + m;
        sum += (weights[filterAt + k] as number) * (gradient[dyAt + k] as number);
      }
      target[xAt + c] = sum;
    }
  });
  return out;
};

/** Calls `visit` with the offsets of the first channel for every filter tap of every output position inside the image. */
function eachTap(w: Window, multiplier: number, visit: (xAt: number, dyAt: number, filterAt: number) => void): void {
  const channels = w.inChannels;
  for (let n = 0; n < w.batchSize; n++) {
    for (let oh = 0; oh < w.outHeight; oh++) {
      for (let ow = 0; ow < w.outWidth; ow++) {
        const dyAt = ((n * w.outHeight + oh) * w.outWidth + ow) * channels * multiplier;
        for (let kh = 0; kh < w.filterHeight; kh++) {
          const row = oh * w.strideHeight - w.padInfo.top + kh * w.dilationHeight;
          if (row < 0 || row >= w.inHeight) continue;
          for (let kw = 0; kw < w.filterWidth; kw++) {
            const column = ow * w.strideWidth - w.padInfo.left + kw * w.dilationWidth;
            if (column < 0 || column >= w.inWidth) continue;
            const xAt = ((n * w.inHeight + row) * w.inWidth + column) * channels;
            visit(xAt, dyAt, (kh * w.filterWidth + kw) * channels * multiplier);
          }
        }
      }
    }
  }
}
