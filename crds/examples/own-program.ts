import { type Batch, defineTraining } from '@hayate/worker';
import { z } from 'zod';

/** Two half moons, one inside the other: which one does a point belong to? */
export default defineTraining({
  parameters: z.object({ learningRate: z.number().positive().default(0.05) }),
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ inputShape: [2], units: 16, activation: 'relu' }),
        tf.layers.dense({ units: 16, activation: 'relu' }),
        tf.layers.dense({ units: 2 }),
      ],
    }),
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'momentum', learningRate, momentum: 0.9 }),
  *data({ rank, worldSize, batchSize, startStep }) {
    for (let step = startStep; ; step++) yield moons((step * worldSize + rank) * batchSize, batchSize);
  },
  evaluate: () => [moons(1_000_000, 1000)],
});

function moons(first: number, count: number): Batch {
  const y = Int32Array.from({ length: count }, (_, i) => (first + i) % 2);
  const x = Float32Array.from({ length: 2 * count }, (_, at) => {
    const moon = y[at >> 1] as number;
    const angle = Math.PI * (((first + (at >> 1)) * 0.618034) % 1);
    return at % 2 === 0 ? moon + (1 - 2 * moon) * Math.cos(angle) : moon / 2 + (1 - 2 * moon) * Math.sin(angle);
  });
  return { x, y };
}
