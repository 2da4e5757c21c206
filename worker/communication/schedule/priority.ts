import type { ExchangePlan } from './types.ts';

/**
 * What a frame does: `gather` carries a contribution to everyone, `scatter` a contribution to the rank that sums it, `result` a sum.
 */
export type Phase = 'gather' | 'scatter' | 'result';

/** What decides when a chunk leaves. */
export interface Urgency {
  layer: number;
  bucket: number;
  phase: Phase;
  chunk: number;
  /** Counts chunks in the order in which they became ready on this rank. */
  ready: number;
}

const phaseRank: Record<Phase, number> = { result: 0, gather: 1, scatter: 2 };

/**
 * Negative when `a` leaves before `b`. Priority: what the next forward needs first (lowest layer), and of one layer what completes
 * others soonest (results, then contributions), one bucket after the other; Fifo: as it became ready.
 */
export function compareUrgency(order: ExchangePlan['order'], a: Urgency, b: Urgency): number {
  if (order === 'Fifo') return a.ready - b.ready;
  return (
    a.layer - b.layer ||
    phaseRank[a.phase] - phaseRank[b.phase] ||
    a.bucket - b.bucket ||
    a.chunk - b.chunk ||
    a.ready - b.ready
  );
}
