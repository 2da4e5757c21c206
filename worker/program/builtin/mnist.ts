import { type Batch, defineTraining } from '@hayate/worker';
import { z } from 'zod';
import { permutation } from '../permutation.ts';
import { type Digits, pixelsPerDigit, readDigits } from './digits.ts';

const heldOut = 1500;

/** A small convolutional network for handwritten digits; 1,500 of the 10,000 are held out for evaluation. */
export default defineTraining({
  parameters: z.object({
    learningRate: z.number().positive().default(0.01),
  }),
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [28, 28, 1], filters: 8, kernelSize: 5, padding: 'same', activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.conv2d({ filters: 16, kernelSize: 5, padding: 'same', activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 10 }),
      ],
    }),
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'adam', learningRate }),
  *data({ rank, worldSize, batchSize, seed, startStep }) {
    const digits = readDigits();
    const training = permutation(digits.count, 0).subarray(heldOut);
    const globalBatch = batchSize * worldSize;
    const perPass = Math.floor(training.length / globalBatch);
    if (perPass === 0) throw new Error(`globalBatchSize is above the ${training.length} digits to train on`);
    let order = new Uint32Array();
    for (let step = startStep; ; step++) {
      const place = step % perPass;
      if (place === 0 || order.length === 0) order = permutation(training.length, seed, Math.floor(step / perPass));
      const first = place * globalBatch + rank * batchSize;
      yield pick(
        digits,
        Array.from(order.subarray(first, first + batchSize), (index) => training[index] as number),
      );
    }
  },
  *evaluate() {
    const digits = readDigits();
    const test = permutation(digits.count, 0).subarray(0, heldOut);
    for (let first = 0; first < heldOut; first += 250) yield pick(digits, test.subarray(first, first + 250));
  },
});

function pick({ pixels, labels }: Digits, indices: ArrayLike<number>): Batch {
  const x = new Float32Array(indices.length * pixelsPerDigit);
  const y = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const digit = indices[i] as number;
    const from = digit * pixelsPerDigit;
    for (let p = 0; p < pixelsPerDigit; p++) x[i * pixelsPerDigit + p] = (pixels[from + p] as number) / 255;
    y[i] = labels[digit] as number;
  }
  return { x, y };
}
