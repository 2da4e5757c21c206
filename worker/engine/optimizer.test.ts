import assert from 'node:assert/strict';
import { shapeBackends } from './capture-backend.ts';
import type { OptimizerStep } from './engine.ts';
import { applyUpdate, slotNamesOf } from './optimizer.ts';
import { generator } from './random.ts';
import { tf } from './tf.ts';

const cases = {
  sgd: { ours: () => ({ kind: 'sgd', learningRate: 0.1 }), stock: () => tf.train.sgd(0.1) },
  momentum: {
    ours: () => ({ kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: false }),
    stock: () => tf.train.momentum(0.1, 0.9),
  },
  'momentum with Nesterov': {
    ours: () => ({ kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true }),
    stock: () => tf.train.momentum(0.1, 0.9, true),
  },
  adam: {
    ours: (step: number) => ({ kind: 'adam', learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step }),
    stock: () => tf.train.adam(0.1, 0.9, 0.999, 1e-7),
  },
} satisfies Record<string, { ours: (step: number) => OptimizerStep; stock: () => InstanceType<typeof tf.Optimizer> }>;

describe('applyUpdate', () => {
  before(async () => {
    await shapeBackends();
  });

  for (const [name, { ours, stock }] of Object.entries(cases)) {
    it(`follows TensorFlow.js's ${name} for ten steps`, () => {
      const random = generator(3);
      const start = Float32Array.from({ length: 6 }, () => random() - 0.5);
      const variable = tf.variable(tf.tensor(start));
      const optimizer = stock();
      const weights = start.slice();
      const slots = slotNamesOf(ours(1).kind).map(() => new Float32Array(start.length));
      for (let step = 1; step <= 10; step++) {
        const gradient = Float32Array.from({ length: 6 }, () => random() - 0.5);
        const four = gradient.map((value) => value * 4);
        optimizer.applyGradients([{ name: variable.name, tensor: tf.tensor(gradient) }]);
        assert.equal(applyUpdate(weights, slots, four, 0.25, ours(step)), true);
      }
      // TensorFlow.js computes 1 − beta^step in float32, which leaves it about four digits in the first steps.
      variable.dataSync().forEach((expected, at) => {
        assert.ok(Math.abs(weights[at]! - expected) < 1e-5, `${weights[at]} is not ${expected}`);
      });
      variable.dispose();
    });
  }
});
