import { call, input, type Kernel } from '../kernel.ts';
import { convWindow } from './window.ts';

/**
 * Convolutions with SAME padding: where a stride is larger than the filter the stock kernels fail without a word and
 * leave zeros, so the padding is given in numbers there.
 */
export function convolution(kernel: string, depthwise: boolean): Kernel {
  return (context, inputs, attrs) => {
    if (attrs['pad'] !== 'same') return call(context, kernel, inputs, attrs);
    const window = convWindow(input(inputs, 'x').shape, input(inputs, 'filter').shape, attrs, depthwise);
    const fits = window.strideHeight <= window.filterHeight && window.strideWidth <= window.filterWidth;
    const { top, bottom, left, right } = window.padInfo;
    const pad = fits
      ? 'same'
      : [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ];
    return call(context, kernel, inputs, { ...attrs, pad });
  };
}
