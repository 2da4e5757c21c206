import { generator } from '../engine/random.ts';
import type { Batch } from '../program/define.ts';
import { defineTraining } from '../program/define.ts';

/** Everything that makes a step hard to repeat: dropout, moving statistics that the program assigns itself, Adam. */
export const everything = defineTraining({
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 4, kernelSize: 3, activation: 'relu' }),
        tf.layers.batchNormalization({}),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dropout({ rate: 0.2 }),
        tf.layers.dense({ units: 3 }),
      ],
    }),
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: () => ({ kind: 'adam', learningRate: 0.02 }),
  data: ({ rank, worldSize, batchSize, seed, startStep }) =>
    spots(seed, startStep, rank * batchSize, batchSize, worldSize * batchSize),
  evaluate: () => [...take(spots(99, 0, 0, 30, 30), 2)],
});

/** Nothing in it depends on which rank computes it: any number of ranks must come to the same weights. */
export const plain = defineTraining({
  ...everything,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 4, kernelSize: 3, activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3 }),
      ],
    }),
  optimizer: () => ({ kind: 'momentum', learningRate: 0.05, momentum: 0.9 }),
});

/** Convolutions normalised and rectified, as residual networks have them. */
export const rectified = defineTraining({
  ...plain,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 8, kernelSize: 3, useBias: false }),
        tf.layers.batchNormalization({}),
        tf.layers.reLU(),
        tf.layers.conv2d({ filters: 5, kernelSize: 3, useBias: false }),
        tf.layers.batchNormalization({}),
        tf.layers.reLU(),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3 }),
      ],
    }),
});

/** Nearly all memory is weights, in layers of over a million: too much for all their sums to come to their gradients' memory. */
export const wide = defineTraining({
  ...plain,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.flatten({ inputShape: [6, 6, 1] }),
        tf.layers.dense({ units: 1056, activation: 'relu' }),
        ...[1, 2, 3].map(() => tf.layers.dense({ units: 1056, activation: 'relu' })),
        tf.layers.dense({ units: 3 }),
      ],
    }),
  optimizer: () => ({ kind: 'sgd', learningRate: 0.05 }),
});

/** Pictures with one bright third; the class says which. */
function* spots(seed: number, startStep: number, first: number, count: number, global: number): Generator<Batch> {
  for (let step = startStep; ; step++) {
    const x = new Float32Array(count * 36);
    const y = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const random = generator(seed, step * global + first + i);
      const label = Math.floor(random() * 3);
      y[i] = label;
      for (let p = 0; p < 36; p++) x[i * 36 + p] = random() + (Math.floor(p / 12) === label ? 0.7 : 0);
    }
    yield { x, y };
  }
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const item of items) {
    if (left-- === 0) return;
    yield item;
  }
}
