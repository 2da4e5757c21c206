import { defineTraining } from '@hayate/worker';
import { z } from 'zod';

const parameters = z.object({
  /** Waits so long before each batch, so that a test can hit a step. */
  batchMs: z.number().default(0),
  /** What rank `rank` does instead of its batch of step `step`. */
  fault: z.object({ rank: z.number(), step: z.number(), kind: z.enum(['throw', 'nan', 'hang']) }).optional(),
});

const features = 12;
const classes = 4;

/** A program for tests: small, deterministic, and able to fail in every way that a user's can. */
export default defineTraining<z.output<typeof parameters>>({
  parameters,
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ inputShape: [features], units: 24, activation: 'relu' }),
        tf.layers.dense({ units: classes }),
      ],
    }),
  loss: 'softmaxCrossEntropy',
  optimizer: () => ({ kind: 'momentum', learningRate: 0.05, momentum: 0.9 }),
  async *data({ parameters: { batchMs, fault }, rank, batchSize, seed, startStep }) {
    for (let step = startStep; ; step += 1) {
      if (batchMs > 0) await new Promise((resolve) => setTimeout(resolve, batchMs));
      const struck = fault?.rank === rank && fault.step === step ? fault.kind : undefined;
      if (struck === 'throw') throw new Error(`no batch of step ${step}`);
      if (struck === 'hang') await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
      const x = new Float32Array(batchSize * features);
      const y = new Float32Array(batchSize * classes);
      for (let row = 0; row < batchSize; row += 1) {
        const sample = seed + step * 1009 + (rank * batchSize + row) * 31;
        for (let i = 0; i < features; i += 1) x[row * features + i] = Math.sin(sample * (i + 1));
        y[row * classes + (sample % classes)] = 1;
      }
      if (struck === 'nan') x.fill(Number.NaN);
      yield { x, y };
    }
  },
});
