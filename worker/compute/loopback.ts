import type { Exchange } from '../communication/exchange.ts';
import type { Bucket } from '../communication/schedule/types.ts';

/** The exchange of a group of one: its own contribution is the sum. For benchmarks and tests of a single process. */
export function loopback(buckets: readonly Bucket[]): Exchange {
  const outgoing = buckets.map(({ elements }) => new Float32Array(elements));
  const sums = buckets.map(({ elements }) => new Float32Array(elements));
  return {
    outgoing: (bucket) => outgoing[bucket] as Float32Array,
    submit: (bucket) => sums[bucket]?.set(outgoing[bucket] as Float32Array),
    await: () => 0,
    sum: (bucket) => sums[bucket] as Float32Array,
  };
}
