import type { Exchange } from '../communication/exchange.ts';
import type { Bucket } from '../communication/schedule/types.ts';

/**
 * The exchange of a group of one: its own contribution is the sum, in the same memory. For benchmarks and tests of a
 * single process.
 */
export function loopback(buckets: readonly Bucket[]): Exchange {
  const slots = buckets.map(({ elements }) => new Float32Array(elements));
  const underway = new Set<number>();
  return {
    memory: slots,
    outgoing: (bucket) => slots[bucket] as Float32Array,
    submit: (bucket) => {
      underway.add(bucket);
    },
    arrived: (bucket) => underway.has(bucket),
    await: (bucket) => {
      underway.delete(bucket);
      return 0;
    },
    sum: (bucket) => slots[bucket] as Float32Array,
  };
}
