import type { Bucket } from '../communication/schedule/types.ts';
import { type Graph, rootOf, type ValueId } from '../graph/graph.ts';
import type { Event } from './event.ts';
import { makesOf, readsOf } from './lifetimes.ts';

/** A contribution that can stay until the sums of its parts are back, and holds these from then on. */
export interface Stay {
  value: ValueId;
  /** Where in the contribution each bucket begins. */
  firsts: ReadonlyMap<number, number>;
}

/**
 * Contributions into whose memory their sums can come: each makes up its buckets alone, nothing reads it once it has been
 * handed over, and a step has taken in its sums before it makes it again. In the order in which sums are needed.
 */
export function findStays(graph: Graph, events: readonly Event[], buckets: readonly Bucket[]): Stay[] {
  /** By root: where it is made, where it is used last but for handing it over, and where it is handed over last. */
  const made = new Map<ValueId, number>();
  const used = new Map<ValueId, number>();
  const sent = new Map<ValueId, number>();
  /** By variable: where it is taken in last. */
  const taken = new Map<number, number>();
  events.forEach((event, at) => {
    for (const value of makesOf(graph, event)) {
      const root = rootOf(graph, value);
      if (!made.has(root)) made.set(root, at);
      used.set(root, at);
    }
    const reads = event.kind === 'handOver' ? sent : used;
    for (const value of readsOf(graph, event)) reads.set(rootOf(graph, value), at);
    if (event.kind === 'update' || event.kind === 'average') taken.set(event.variable, at);
  });
  const sharing = Map.groupBy(graph.variables, ({ contribution }) => rootOf(graph, contribution));
  return [...ownBuckets(buckets)].flatMap(([variable, firsts]): Stay[] => {
    const value = graph.variables[variable]?.contribution as ValueId;
    const root = rootOf(graph, value);
    const [begin = -1, use = -1, sending = -1] = [made, used, sent].map((at) => at.get(root));
    const isFree = sharing.get(root)?.length === 1 && use <= sending && (taken.get(variable) ?? begin) < begin;
    return isFree ? [{ value, firsts }] : [];
  });
}

/** Variables that share no bucket with another: where in them each of their buckets begins. */
function ownBuckets(buckets: readonly Bucket[]): Map<number, Map<number, number>> {
  const own = new Map<number, Map<number, number>>();
  for (const { id, parts } of buckets) {
    const [part, ...more] = parts;
    if (part === undefined || more.length > 0) continue;
    own.set(part.variable, new Map([...(own.get(part.variable) ?? []), [id, part.first]]));
  }
  return own;
}

/** The same step with sums in that contribution's memory, and without rooms for them. */
export function withStay(events: readonly Event[], { value, firsts }: Stay): Event[] {
  const firstOf = (event: Event) => ('bucket' in event ? firsts.get(event.bucket) : undefined);
  const isTaking = (event: Event) => event.kind === 'update' || event.kind === 'average';
  const last = events.findLastIndex((event) => isTaking(event) && firstOf(event) !== undefined);
  return events.flatMap((event, at): Event[] => {
    if (event.kind === 'free' && event.value === value) return [];
    const first = firstOf(event);
    if (first === undefined) return [event];
    if (event.kind === 'fetch' || event.kind === 'release') return [];
    if (event.kind === 'submit') return [event, { kind: 'stay', bucket: event.bucket, value, first }];
    return at === last ? [event, { kind: 'free', value }] : [event];
  });
}
