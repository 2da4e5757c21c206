import { type Tensor, tf } from '../engine/tf.ts';
import type { Draw } from './graph.ts';
import { GraphError } from './graph-error.ts';

/**
 * Finds out what a random tensor of the program was drawn from: the same seed is drawn again from the standard
 * distributions; the one of which `sample` is a linear function is it. Runs on the current backend.
 */
export function distributionOf(sample: Float32Array, seed: number): Draw['distribution'] {
  const shape = [sample.length];
  const uniform = fit(sample, tf.randomUniform(shape, 0, 1, 'float32', seed));
  if (uniform !== undefined) return { kind: 'uniform', min: uniform.offset, max: uniform.offset + uniform.factor };
  const normal = fit(sample, tf.randomNormal(shape, 0, 1, 'float32', seed));
  if (normal !== undefined) return { kind: 'normal', mean: normal.offset, stddev: normal.factor };
  throw new GraphError(
    'unsupported',
    'the model draws random numbers from a distribution other than uniform and normal; use tf.randomUniform or tf.randomNormal without a seed',
  );
}

/** Factor and offset with sample = factor · standard + offset, if there are such. */
function fit(sample: Float32Array, drawn: Tensor): { factor: number; offset: number } | undefined {
  const standard = drawn.dataSync() as Float32Array;
  drawn.dispose();
  const [low, high] = extremes(standard);
  const spread = (standard[high] as number) - (standard[low] as number);
  const factor = spread === 0 ? 1 : ((sample[high] as number) - (sample[low] as number)) / spread;
  const exact = spread === 0 ? 0 : (sample[low] as number) - factor * (standard[low] as number);
  const nice = { factor: rounded(factor), offset: rounded(exact) };
  const tolerance = 1e-5 * (Math.abs(factor) + Math.abs(exact) + 1e-30);
  const fits = sample.every((x, i) => Math.abs(x - nice.factor * (standard[i] as number) - nice.offset) <= tolerance);
  return fits ? nice : undefined;
}

function extremes(values: Float32Array): [number, number] {
  let [low, high] = [0, 0];
  values.forEach((value, i) => {
    if (value < (values[low] as number)) low = i;
    if (value > (values[high] as number)) high = i;
  });
  return [low, high];
}

/** Takes float32 noise out of parameters that a person wrote in decimal. */
function rounded(value: number): number {
  return Number(value.toPrecision(6)) === 0 || Math.abs(value) < 1e-7 ? 0 : Number(value.toPrecision(5));
}
