import type { Graph, ValueId } from '../graph/graph.ts';
import { Buffers } from './buffers.ts';
import { describeValue } from './explain.ts';
import { type Interval, Intervals, overlapOf } from './intervals.ts';
import type { PlannedReuse } from './planned-reuse.ts';

/** What happened to the handles of one step, in order; what was alive before it comes first. */
export type Observation =
  | { kind: 'there' | 'made'; value: ValueId; address: number; bytes: number }
  | { kind: 'freed'; value: ValueId };

/** Planned reuse against what the engine's allocator did. Bytes. */
interface Share {
  plannedBytes: number;
  /** How many of the planned bytes really lay on memory that had been freed in the same step. */
  hitBytes: number;
  /** Buffers that were planned to reuse memory. */
  buffers: number;
}

interface Checked {
  value: ValueId;
  plannedBytes: number;
  hitBytes: number;
}

/** A buffer that got less than the memory that it was planned to reuse. */
export interface Miss extends Checked {
  /** What it is, in words. */
  name: string;
}

/** Two buffers alive at the same time in the same memory: the engine is broken. */
export interface Overlap {
  value: ValueId;
  other: ValueId;
  bytes: number;
}

export interface Reuse extends Share {
  /** Of buffers of {@link largeBytes} and more. */
  large: Share;
  /** Of the large ones, those that missed most. */
  misses: readonly Miss[];
  /** The first one found. */
  overlap?: Overlap;
}

/** From here on a buffer is looked at by itself: smaller ones an allocator may well keep in places of their own. */
export const largeBytes = 2 ** 20;
const missesNamed = 5;

/**
 * Compares a step that was observed with its plan. A buffer hits with as many of its planned bytes as lie on memory
 * that was freed since the step began, at whatever address and by whichever buffers.
 */
export function measureReuse(graph: Graph, plan: PlannedReuse, observed: readonly Observation[]): Reuse {
  const handles = new Buffers(graph);
  const alive = new Map<ValueId, Interval>();
  const freed = new Intervals();
  const found: (Checked & { bytes: number })[] = [];
  let overlap: Overlap | undefined;
  const put = (value: ValueId, place: Interval): void => {
    overlap ??= overlapWith(alive, value, place);
    alive.set(value, place);
    freed.remove(place);
  };
  const check = (value: ValueId, place: Interval): void => {
    const plannedBytes = plan.buffers.get(value) ?? 0;
    const hitBytes = Math.min(plannedBytes, freed.overlap(place));
    if (plannedBytes > 0) found.push({ value, plannedBytes, hitBytes, bytes: place.end - place.start });
  };
  for (const seen of observed) {
    const root = seen.kind === 'freed' ? handles.freed(seen.value) : handles.made(seen.value);
    if (root === undefined) continue;
    if (seen.kind === 'freed') {
      freed.add(alive.get(root) as Interval);
      alive.delete(root);
      continue;
    }
    const place = { start: seen.address, end: seen.address + seen.bytes };
    // What the step before has left is none of this step's making.
    if (seen.kind === 'made') check(root, place);
    put(root, place);
  }
  const large = found.filter(({ bytes }) => bytes >= largeBytes);
  const missed = large
    .filter((buffer) => buffer.hitBytes < buffer.plannedBytes)
    .toSorted((a, b) => b.plannedBytes - b.hitBytes - (a.plannedBytes - a.hitBytes));
  return {
    ...shareOf(found),
    large: shareOf(large),
    misses: missed.slice(0, missesNamed).map(({ value, plannedBytes, hitBytes }) => {
      return { value, name: describeValue(graph, value), plannedBytes, hitBytes };
    }),
    ...(overlap !== undefined && { overlap }),
  };
}

function overlapWith(alive: ReadonlyMap<ValueId, Interval>, value: ValueId, place: Interval): Overlap | undefined {
  for (const [other, taken] of alive) {
    const bytes = overlapOf(taken, place);
    if (bytes > 0) return { value, other, bytes };
  }
  return undefined;
}

function shareOf(buffers: readonly Checked[]): Share {
  const sum = (of: (buffer: Checked) => number) => buffers.reduce((total, buffer) => total + of(buffer), 0);
  return {
    plannedBytes: sum((buffer) => buffer.plannedBytes),
    hitBytes: sum((buffer) => buffer.hitBytes),
    buffers: buffers.length,
  };
}
