import type { Draw } from '../graph/graph.ts';
import { generator } from './random.ts';

/**
 * Fills `target` with the random numbers of draw `index` (its position in {@link Graph.draws}) in one step of one rank.
 * The same arguments give the same numbers, so that a resumed run repeats its dropout masks.
 */
export function drawInto(
  draw: Draw,
  index: number,
  at: { seed: number; step: number; rank: number },
  target: Float32Array,
): void {
  const random = generator(at.seed, at.step, at.rank, index);
  const { distribution } = draw;
  switch (distribution.kind) {
    case 'uniform': {
      const width = distribution.max - distribution.min;
      for (let i = 0; i < target.length; i++) target[i] = distribution.min + width * random();
      return;
    }
    case 'normal':
      for (let i = 0; i < target.length; i += 2) {
        const radius = Math.sqrt(-2 * Math.log(1 - random())) * distribution.stddev;
        const angle = 2 * Math.PI * random();
        target[i] = distribution.mean + radius * Math.cos(angle);
        if (i + 1 < target.length) target[i + 1] = distribution.mean + radius * Math.sin(angle);
      }
      return;
    default:
      throw new TypeError(`unknown distribution ${JSON.stringify(distribution satisfies never)}`);
  }
}
