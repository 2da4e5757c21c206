import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Device, floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';

/**
 * Mean over the rows of logits [rows, classes] of −Σ label · log softmax(logits); labels are class indices (int32,
 * [rows]) or rows of weights (float32, [rows, classes]).
 */
export const softmaxCrossEntropy: Kernel = ({ device }, inputs) => {
  const logits = input(inputs, 'logits');
  const labels = input(inputs, 'labels');
  const out = device.make([], 'float32');
  if (!device.computes) return out;
  const x = floats(device, logits);
  const classes = logits.shape[1] as number;
  const weightOf = weights(device, labels, classes);
  let total = 0;
  for (let at = 0; at < x.length; at += classes) {
    const logSum = logSumExp(x, at, classes);
    for (let c = 0; c < classes; c++) {
      const weight = weightOf(at, c);
      if (weight !== 0) total += weight * (logSum - (x[at + c] as number));
    }
  }
  floats(device, out)[0] = total / (logits.shape[0] as number);
  return out;
};

/** Gradient of {@link softmaxCrossEntropy} for the logits: softmax again, so that forward keeps no probabilities. */
export const softmaxCrossEntropyGrad: Kernel = ({ device }, inputs) => {
  const dy = input(inputs, 'dy');
  const logits = input(inputs, 'logits');
  const labels = input(inputs, 'labels');
  const [rows, classes] = logits.shape as [number, number];
  const out = device.make(logits.shape, 'float32');
  if (!device.computes) return out;
  const x = floats(device, logits);
  const target = floats(device, out);
  const weightOf = weights(device, labels, classes);
  const scale = (floats(device, dy)[0] as number) / rows;
  for (let at = 0; at < x.length; at += classes) {
    const logSum = logSumExp(x, at, classes);
    let mass = 0;
    for (let c = 0; c < classes; c++) mass += weightOf(at, c);
    for (let c = 0; c < classes; c++) {
      target[at + c] = scale * (mass * Math.exp((x[at + c] as number) - logSum) - weightOf(at, c));
    }
  }
  return out;
};

function weights(device: Device, labels: TensorInfo, classes: number): (at: number, c: number) => number {
  const values = device.view(labels);
  if (labels.dtype === 'int32') return (at, c) => (values[at / classes] === c ? 1 : 0);
  return (at, c) => values[at + c] as number;
}

function logSumExp(x: Float32Array, at: number, classes: number): number {
  let largest = -Infinity;
  for (let c = 0; c < classes; c++) largest = Math.max(largest, x[at + c] as number);
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp((x[at + c] as number) - largest);
  return largest + Math.log(sum);
}
