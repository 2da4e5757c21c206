import type { Draw } from '../graph/graph.ts';
import { generator } from './random.ts';

/** Uniform numbers, each a function of its place alone, so that a device draws them in any order. */
export interface Uniform {
  /** Two integers of 32 bits. */
  key: readonly [number, number];
  min: number;
  width: number;
}

type Place = { seed: number; step: number; rank: number };

/** What draw `index` of a step is made of, where it is uniform. */
export function uniformOf({ distribution }: Draw, index: number, at: Place): Uniform | undefined {
  if (distribution.kind !== 'uniform') return undefined;
  const random = generator(at.seed, at.step, at.rank, index);
  const word = () => ((random() * 2 ** 24) ^ ((random() * 2 ** 24) << 8)) >>> 0;
  const { min, max } = distribution;
  return { key: [word(), word()], min, width: max - min };
}

/** min + width × 24 bits of the place's hash: two rounds of MurmurHash3's finaliser (Appleby, 2011), a key before each. */
export function fillUniform({ key: [first, second], min, width }: Uniform, target: Float32Array): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = min + width * ((mixed(mixed(i ^ first) ^ second) >>> 8) / 2 ** 24);
  }
}

function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/**
 * Fills `target` with the random numbers of draw `index` (its position in {@link Graph.draws}) in one step of one rank.
 * The same arguments give the same numbers, so that a resumed run repeats its dropout masks.
 */
export function drawInto(draw: Draw, index: number, at: Place, target: Float32Array): void {
  const { distribution } = draw;
  const random = generator(at.seed, at.step, at.rank, index);
  switch (distribution.kind) {
    case 'uniform':
      return fillUniform(uniformOf(draw, index, at) as Uniform, target);
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
