import { generator } from '../engine/random.ts';

/** The numbers 0 … length − 1 in an order that the seeds decide (Fisher and Yates). */
export function permutation(length: number, ...seeds: readonly number[]): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length }, (_, index) => index);
  const random = generator(...seeds);
  for (let last = length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}
