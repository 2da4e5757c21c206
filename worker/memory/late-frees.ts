import { type Graph, rootOf, type ValueId } from '../graph/graph.ts';
import type { Event } from './event.ts';
import { makesOf } from './lifetimes.ts';
import type { Simulation } from './simulate.ts';

/**
 * Frees what was handed over as late as memory allows, so that nobody has to wait for bytes that are on their way from
 * there, or to there: within the step, and before its memory is made again. Nothing rises above `peak`.
 */
export function withLateFrees(graph: Graph, events: readonly Event[], { mostBytes, peak }: Simulation): Event[] {
  const made = new Map<ValueId, number>();
  const sent = new Set<ValueId>();
  events.forEach((event, at) => {
    for (const root of makesOf(graph, event).map((value) => rootOf(graph, value))) {
      if (!made.has(root)) made.set(root, at);
    }
    if (event.kind === 'handOver') sent.add(event.value);
  });
  const most = [...mostBytes];
  /** By the event that they come right behind. */
  const later = new Map<number, Event[]>();
  for (const [at, event] of [...events.entries()].toReversed()) {
    if (event.kind !== 'free' || !sent.has(event.value)) continue;
    const root = rootOf(graph, event.value);
    const bytes = graph.values[root]?.bytes ?? 0;
    const again = made.get(root) ?? 0;
    const end = again > at ? again : events.length;
    let to = at;
    while (to + 1 < end && (most[to + 1] as number) + bytes <= peak.bytes) {
      to += 1;
      most[to] = (most[to] as number) + bytes;
    }
    later.set(to, [event, ...(later.get(to) ?? [])]);
  }
  const moved = new Set([...later.values()].flat());
  return events.flatMap((event, at) => [...(moved.has(event) ? [] : [event]), ...(later.get(at) ?? [])]);
}
