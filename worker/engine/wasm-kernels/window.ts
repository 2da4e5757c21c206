import { backend_util } from '@tensorflow/tfjs-core';
import type { KernelAttrs } from '../device.ts';

export type Window = backend_util.Conv2DInfo;

type Size = number | [number, number];
type Pad = 'valid' | 'same' | number;

/** Geometry of a convolution's sliding window, NHWC. */
export function convWindow(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: KernelAttrs,
  depthwise = false,
): Window {
  return backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs['strides'] as Size,
    (attrs['dilations'] as Size | undefined) ?? 1,
    attrs['pad'] as Pad,
    attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil' | undefined,
    depthwise,
  );
}

/** Geometry of a pooling window, NHWC. */
export function poolWindow(inputShape: readonly number[], attrs: KernelAttrs): Window {
  return backend_util.computePool2DInfo(
    inputShape as [number, number, number, number],
    attrs['filterSize'] as Size,
    attrs['strides'] as Size,
    1,
    attrs['pad'] as Pad,
    attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil' | undefined,
  );
}
