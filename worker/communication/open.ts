import { type Exchange, ExchangeError, type SharedExchange } from './exchange.ts';
import { fromRecord, SharedState } from './shared-state.ts';

/** The lanes name the missing rank when time is up; compute gives up by itself only if they do not. */
const laneGraceMs = 5000;

/** The exchange as the compute thread uses it; works in any thread that may block. */
export function openExchange(shared: SharedExchange): Exchange {
  const { memory, layout, plan, ports, timeoutMs } = shared;
  const state = new SharedState(memory, layout.stateOffset, plan.buckets.length);
  const view = (offset: (slot: SharedExchange['layout']['slots'][number]) => number) =>
    layout.slots.map((slot, b) => new Float32Array(memory, offset(slot), plan.buckets[b]!.elements));
  const outgoing = view((slot) => slot.outgoing);
  /** By bucket: handed in, and not awaited since. */
  const underway = plan.buckets.map(() => false);
  const results = view((slot) => slot.result);
  return {
    memory: [new Float32Array(memory, 0, Math.floor(memory.byteLength / 4))],
    outgoing: (bucket) => outgoing[bucket]!,
    sum: (bucket) => results[bucket]!,
    submit(bucket) {
      state.submit(bucket);
      underway[bucket] = true;
      for (const lane of layout.slots[bucket]!.lanes) ports[lane]!.postMessage(bucket);
    },
    arrived: (bucket) => underway[bucket] === true && state.isDone(bucket),
    await(bucket, patienceMs) {
      const started = performance.now();
      const outcome = state.wait(bucket, patienceMs ?? timeoutMs + laneGraceMs);
      if (outcome === undefined && patienceMs === undefined) {
        throw new ExchangeError('exchangeTimeout', `bucket ${bucket} was not summed within ${timeoutMs / 1000} s`);
      }
      if (outcome !== undefined && outcome !== 'done') throw fromRecord(outcome);
      if (patienceMs === undefined) underway[bucket] = false;
      return (performance.now() - started) / 1000;
    },
  };
}
