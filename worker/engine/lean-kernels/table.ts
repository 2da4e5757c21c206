import type { Kernel } from '../kernel.ts';
import { reluGrad } from './relu-grad.ts';
import { softmaxCrossEntropy, softmaxCrossEntropyGrad } from './softmax-cross-entropy.ts';

/** Kernels that TensorFlow.js has not, for gradients that keep and compute less than its own. */
export const leanKernels: ReadonlyMap<string, Kernel> = new Map([
  ['ReluGrad', reluGrad],
  ['SoftmaxCrossEntropy', softmaxCrossEntropy],
  ['SoftmaxCrossEntropyGrad', softmaxCrossEntropyGrad],
]);
