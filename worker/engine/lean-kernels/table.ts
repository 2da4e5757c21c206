import type { Kernel } from '../kernel.ts';
import { maxPoolReluGrad } from '../wasm-kernels/max-pool-grad.ts';
import { batchNormTraining, batchNormTrainingGrad } from './batch-norm.ts';
import { reluGrad } from './relu-grad.ts';
import { softmaxCrossEntropy, softmaxCrossEntropyGrad } from './softmax-cross-entropy.ts';

/** Kernels that TensorFlow.js has not, for gradients that keep and compute less than its own. */
export const leanKernels: ReadonlyMap<string, Kernel> = new Map([
  ['BatchNormTraining', batchNormTraining],
  ['BatchNormTrainingGrad', batchNormTrainingGrad],
  ['MaxPoolReluGrad', maxPoolReluGrad],
  ['ReluGrad', reluGrad],
  ['SoftmaxCrossEntropy', softmaxCrossEntropy],
  ['SoftmaxCrossEntropyGrad', softmaxCrossEntropyGrad],
]);
