import type { Graph, ValueId } from '../graph/graph.ts';
import { Buffers } from './buffers.ts';
import type { Event } from './event.ts';
import { makesOf } from './lifetimes.ts';
import { carriedBy } from './simulate.ts';

/** What a step makes, and how much of that has room in what the same step has freed before. Bytes. */
export interface PlannedReuse {
  /** Of all buffers that the step makes. */
  allocatedBytes: number;
  plannedBytes: number;
  /** The planned bytes of each buffer that has any, by the value that owns it. */
  buffers: ReadonlyMap<ValueId, number>;
}

/**
 * How a step reuses its memory by plan: bytes that it frees go into a pool; a buffer that comes alive takes as many of
 * its bytes from the pool as are there, and only for the rest the step needs memory that it has not had before. So
 * `allocatedBytes - plannedBytes` is how far the bytes alive rise, between events, above those at the step's beginning:
 * what an allocator needs that never has a gap. What outlives steps and rooms for sums take no part; what kernels take for a moment
 * is not counted.
 */
export function plannedReuse(graph: Graph, events: readonly Event[]): PlannedReuse {
  const alive = new Buffers(graph);
  for (const { value } of [...graph.variables, ...graph.constants]) alive.made(value);
  for (const value of carriedBy(events).values) alive.made(value);
  const bytesOf = (root: ValueId | undefined) => (root === undefined ? 0 : (graph.values[root]?.bytes ?? 0));
  const buffers = new Map<ValueId, number>();
  let [allocatedBytes, plannedBytes, pool] = [0, 0, 0];
  const make = (root: ValueId | undefined): void => {
    const taken = Math.min(pool, bytesOf(root));
    pool -= taken;
    plannedBytes += taken;
    allocatedBytes += bytesOf(root);
    if (root !== undefined && taken > 0) buffers.set(root, taken);
  };
  for (const event of events) {
    if (event.kind === 'free') pool += bytesOf(alive.freed(event.value));
    else for (const value of makesOf(graph, event)) make(alive.made(value));
  }
  return { allocatedBytes, plannedBytes, buffers };
}
