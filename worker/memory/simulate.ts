import { type Graph, type Node, rootOf, type ValueId } from '../graph/graph.ts';
import type { Event } from './event.ts';
import { makesOf } from './lifetimes.ts';

/** Where the most bytes are alive. */
export interface Peak {
  bytes: number;
  /** Index of an event; -1 when nothing beyond the base is ever alive. */
  event: number;
  /** Bytes alive before that event. */
  liveBytes: number;
}

export interface Simulation {
  /** Bytes alive after each event. */
  liveBytes: number[];
  /** The most that is alive before, during or after each event. */
  mostBytes: number[];
  peak: Peak;
}

/** What a step finds on the engine, from the step before. */
export interface Carried {
  /** Bytes of the room for each bucket's sum. */
  rooms: ReadonlyMap<number, number>;
  /** Contributions into whose memory sums come. */
  values: readonly ValueId[];
}

/** What a step leaves to the next one. */
export function carriedBy(events: readonly Event[]): Carried {
  const rooms = new Map<number, number>();
  const values = new Set<ValueId>();
  for (const event of events) {
    if (event.kind === 'fetch' && event.ahead) rooms.set(event.bucket, 4 * event.elements);
    if (event.kind === 'stay') values.add(event.value);
  }
  return { rooms, values: [...values] };
}

const nothing: Carried = { rooms: new Map(), values: [] };

/** Bytes on the engine while events happen, from `baseBytes` on that are there all the time, and what is there already. */
export function simulate(
  graph: Graph,
  events: readonly Event[],
  baseBytes: number,
  nodeBytes: (node: Node) => number,
  carried: Carried = nothing,
): Simulation {
  const persistent = new Set([...graph.variables, ...graph.constants].map(({ value }) => value));
  const handles = new Map<ValueId, number>();
  const rooms = new Map(carried.rooms);
  let live = baseBytes + [...rooms.values()].reduce((sum, bytes) => sum + bytes, 0);
  const count = (value: ValueId, change: 1 | -1): void => {
    const root = rootOf(graph, value);
    if (persistent.has(root)) return;
    const before = handles.get(root) ?? 0;
    handles.set(root, before + change);
    const bytes = graph.values[root]?.bytes ?? 0;
    if (before === 0) live += bytes;
    if (before + change === 0) live -= bytes;
  };
  for (const value of carried.values) count(value, 1);
  const simulation: Simulation = { liveBytes: [], mostBytes: [], peak: { bytes: live, event: -1, liveBytes: live } };
  const happen = (event: Event): void => {
    if (event.kind === 'free') {
      count(event.value, -1);
    } else if (event.kind === 'fetch') {
      rooms.set(event.bucket, 4 * event.elements);
      live += 4 * event.elements;
    } else if (event.kind === 'release') {
      live -= rooms.get(event.bucket) ?? 0;
      rooms.delete(event.bucket);
    } else {
      for (const value of makesOf(graph, event)) count(value, 1);
    }
  };
  events.forEach((event, at) => {
    const before = live;
    happen(event);
    const during = event.kind === 'run' ? before + nodeBytes(graph.nodes[event.node] as Node) : live;
    const bytes = Math.max(during, live);
    simulation.liveBytes.push(live);
    simulation.mostBytes.push(Math.max(before, bytes));
    if (bytes > simulation.peak.bytes) simulation.peak = { bytes, event: at, liveBytes: before };
  });
  return simulation;
}
