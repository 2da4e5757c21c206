import type { Kernel } from '../kernel.ts';
import { cast, identity, reshape } from './alias.ts';
import { avgPoolGrad } from './avg-pool-grad.ts';
import { conv2dBackpropFilter } from './conv2d-backprop-filter.ts';
import { conv2dBackpropInput } from './conv2d-backprop-input.ts';
import { convolution } from './conv2d-same.ts';
import { depthwiseBackpropFilter, depthwiseBackpropInput } from './depthwise-grads.ts';
import { matmul } from './matmul.ts';
import { maxPoolGrad } from './max-pool-grad.ts';
import { oneHot } from './one-hot.ts';
import { unsortedSegmentSum } from './segment-sum.ts';
import { sum } from './sum.ts';

/** Kernels that the WASM backend lacks, computes wrongly or computes far below its speed. */
export const wasmKernels: ReadonlyMap<string, Kernel> = new Map([
  ['AvgPoolGrad', avgPoolGrad],
  ['BatchMatMul', matmul('BatchMatMul')],
  ['Cast', cast],
  ['Conv2D', convolution('Conv2D', false)],
  ['Conv2DBackpropFilter', conv2dBackpropFilter],
  ['Conv2DBackpropInput', conv2dBackpropInput],
  ['DepthwiseConv2dNative', convolution('DepthwiseConv2dNative', true)],
  ['DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter],
  ['DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput],
  ['FusedConv2D', convolution('FusedConv2D', false)],
  ['FusedDepthwiseConv2D', convolution('FusedDepthwiseConv2D', true)],
  ['Identity', identity],
  ['MaxPoolGrad', maxPoolGrad],
  ['OneHot', oneHot],
  ['Reshape', reshape],
  ['Sum', sum],
  ['UnsortedSegmentSum', unsortedSegmentSum],
  ['_FusedMatMul', matmul('_FusedMatMul')],
]);

/** Kernels that the WASM backend computes wrongly and that are not corrected: the sentence for the person. */
export const refusedKernels: ReadonlyMap<string, string> = new Map([
  ['Conv3DBackpropFilterV2', 'conv3d cannot be trained on the wasm engine: its gradient is wrong there; use conv2d'],
  ['Conv3DBackpropInputV2', 'conv3d cannot be trained on the wasm engine: its gradient is wrong there; use conv2d'],
  ['Dilation2D', 'dilation2d gives wrong results on the wasm engine; use pooling or a convolution'],
  ['Dilation2DBackpropInput', 'dilation2d gives wrong results on the wasm engine; use pooling or a convolution'],
  ['Dilation2DBackpropFilter', 'dilation2d gives wrong results on the wasm engine; use pooling or a convolution'],
]);
