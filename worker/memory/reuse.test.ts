import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { type Graph, rootOf, type ValueId } from '../graph/graph.ts';
import { type ArbitraryStep, arbitraryStep, choice } from './arbitrary-graph.ts';
import type { Event } from './event.ts';
import type { Interval } from './intervals.ts';
import { makesOf } from './lifetimes.ts';
import { measureReuse, type Observation } from './measured-reuse.ts';
import { planStep } from './plan.ts';
import { plannedReuse } from './planned-reuse.ts';

/** Gives memory out and takes it back. */
interface Allocator {
  take(bytes: number): number;
  give(address: number): void;
}

/** Puts a buffer at the beginning or the end of a gap that is large enough, or after everything: wherever `pick` says. */
function fitting(pick: (places: number) => number): Allocator {
  let taken: Interval[] = [];
  return {
    take(bytes) {
      const ends = [0, ...taken.map(({ end }) => end)];
      const places = ends.flatMap((start, at) => {
        const end = taken[at]?.start ?? Number.POSITIVE_INFINITY;
        if (end - start < bytes) return [];
        return Number.isFinite(end) ? [start, end - bytes] : [start];
      });
      const start = places[pick(places.length)] as number;
      taken = [...taken, { start, end: start + bytes }].toSorted((a, b) => a.start - b.start);
      return start;
    },
    give(address) {
      taken = taken.filter(({ start }) => start !== address);
    },
  };
}

const firstFit = () => fitting(() => 0);

function anyFit(choices: readonly number[]): Allocator {
  let turn = 0;
  return fitting((places) => Math.floor((choices[turn++ % choices.length] as number) * places));
}

function neverAgain(): Allocator {
  let next = 0;
  return { take: (bytes) => (next += bytes) - bytes, give: () => undefined };
}

const bytesOf = (graph: Graph, id: ValueId) => graph.values[id]?.bytes ?? 0;
const residents = ({ variables, constants }: Graph) => [...variables, ...constants].map(({ value }) => value);

/** What an engine with this allocator does in a step. */
function observe(graph: Graph, events: readonly Event[], allocator: Allocator): Observation[] {
  const addresses = new Map<ValueId, number>();
  const handles = new Map<ValueId, number>();
  const seen: Observation[] = [];
  const make = (value: ValueId, kind: 'there' | 'made' = 'made') => {
    const root = rootOf(graph, value);
    if (!addresses.has(root)) addresses.set(root, allocator.take(bytesOf(graph, root)));
    handles.set(root, (handles.get(root) ?? 0) + 1);
    seen.push({ kind, value, address: addresses.get(root)!, bytes: bytesOf(graph, root) });
  };
  for (const value of residents(graph)) make(value, 'there');
  for (const event of events) {
    if (event.kind !== 'free') makesOf(graph, event).forEach((value) => make(value));
    else {
      const root = rootOf(graph, event.value);
      seen.push({ kind: 'freed', value: event.value });
      handles.set(root, handles.get(root)! - 1);
      if (handles.get(root) !== 0) continue;
      allocator.give(addresses.get(root)!);
      addresses.delete(root);
    }
  }
  return seen;
}

const eventsOf = (step: ArbitraryStep, recycling = true) => planStep({ ...step, recycling }).steady.events;
const holds = (property: (step: ArbitraryStep, choices: number[]) => void) => {
  const choices = fc.array(choice, { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(arbitraryStep, choices, property), { numRuns: 150 });
};

describe('plannedReuse', () => {
  it('leaves to new memory exactly what the bytes alive rise by', () => {
    holds((step) => {
      const { steady, baseBytes } = planStep({ ...step, recycling: true });
      const { allocatedBytes, plannedBytes, buffers } = plannedReuse(step.graph, steady.events);
      assert.equal(allocatedBytes - plannedBytes, Math.max(baseBytes, ...steady.liveBytes) - baseBytes);
      assert.equal(
        plannedBytes,
        [...buffers.values()].reduce((sum, bytes) => sum + bytes, 0),
      );
      for (const [value, bytes] of buffers) assert.ok(bytes > 0 && bytes <= bytesOf(step.graph, value));
    });
  });

  it('plans none where nothing is freed before the end', () => {
    holds((step) => {
      const { plannedBytes, buffers } = plannedReuse(step.graph, eventsOf(step, false));
      assert.deepEqual([plannedBytes, buffers.size], [0, 0]);
    });
  });
});

describe('measureReuse', () => {
  const measured = (step: ArbitraryStep, allocator: Allocator) => {
    const events = eventsOf(step);
    const plan = plannedReuse(step.graph, events);
    return { plan, reuse: measureReuse(step.graph, plan, observe(step.graph, events, allocator)) };
  };

  it('finds every planned byte hit where all buffers have one size and gaps are filled first', () => {
    holds(({ graph, ...step }) => {
      const values = graph.values.map((value) => ({ ...value, bytes: value.aliasOf === undefined ? 4 : 0 }));
      const { plan, reuse } = measured({ ...step, graph: { ...graph, values } }, firstFit());
      assert.deepEqual([reuse.hitBytes, reuse.plannedBytes], [plan.plannedBytes, plan.plannedBytes]);
    });
  });

  it('finds no byte hit where memory is never used again', () => {
    holds((step) => {
      const { plan, reuse } = measured(step, neverAgain());
      assert.deepEqual([reuse.hitBytes, reuse.plannedBytes], [0, plan.plannedBytes]);
    });
  });

  it('counts, whatever the allocator does, as counting byte by byte does, and finds no overlap', () => {
    holds((step, choices) => {
      const events = eventsOf(step);
      const plan = plannedReuse(step.graph, events);
      const seen = observe(step.graph, events, anyFit(choices));
      const { hitBytes, buffers, overlap } = measureReuse(step.graph, plan, seen);
      assert.equal(hitBytes, hitsByByte(step.graph, plan.buffers, seen));
      assert.deepEqual([buffers, overlap], [plan.buffers.size, undefined]);
    });
  });

  it('reports two buffers that are alive in the same memory', () => {
    holds((step, [choice]) => {
      const events = eventsOf(step);
      const plan = plannedReuse(step.graph, events);
      const seen = observe(step.graph, events, firstFit());
      const made = seen.flatMap((each, at) =>
        each.kind !== 'freed' && each.value === rootOf(step.graph, each.value) ? at : [],
      );
      const last = made.at(-1);
      const victim = made[Math.floor(choice! * (made.length - 1))]!;
      const [taken, moved] = [seen[victim], seen[last]] as Extract<Observation, { address: number }>[];
      const gone = seen
        .slice(0, last)
        .some((each) => each.kind === 'freed' && rootOf(step.graph, each.value) === taken!.value);
      fc.pre(!gone && taken !== moved);
      const broken = seen.with(last, { ...moved!, address: taken!.address });
      const { overlap } = measureReuse(step.graph, plan, broken);
      assert.equal(overlap?.value, moved!.value);
      assert.ok(overlap.bytes > 0);
    });
  });

  const mib = 2 ** 20;
  const values = [4 * mib, 2 * mib, mib, 8].map((bytes, id) => {
    return { id, shape: [bytes / 4], dtype: 'float32', bytes } as const;
  });
  const graph: Graph = {
    values,
    nodes: [],
    variables: [],
    constants: [],
    draws: [],
    feeds: [],
    outputs: [],
    layerCount: 1,
  };
  const feed = (value: ValueId): Event => ({ kind: 'feed', feed: 0, value });
  const seenAs = (kind: 'there' | 'made', value: ValueId, address: number): Observation => {
    return { kind, value, address, bytes: values[value]!.bytes };
  };

  it('counts a value that the step before has left, and that the step makes anew, once', () => {
    const plan = plannedReuse(graph, [
      { kind: 'stay', bucket: 0, value: 0, first: 0 },
      { kind: 'free', value: 0 },
      feed(1),
      feed(0),
    ]);
    assert.deepEqual([plan.allocatedBytes, plan.plannedBytes], [6 * mib, 4 * mib]);
    const seen = [
      seenAs('there', 0, 0),
      { kind: 'freed', value: 0 } as const,
      seenAs('made', 1, 0),
      seenAs('made', 0, 2 * mib),
    ];
    const { plannedBytes, hitBytes, buffers } = measureReuse(graph, plan, seen);
    assert.deepEqual({ plannedBytes, hitBytes, buffers }, { plannedBytes: 4 * mib, hitBytes: 4 * mib, buffers: 2 });
  });

  it('names the large buffers that missed most, and small ones only in the sum', () => {
    const plan = plannedReuse(graph, [feed(0), { kind: 'free', value: 0 }, feed(1), feed(2), feed(3)]);
    assert.deepEqual([plan.allocatedBytes, plan.plannedBytes], [7 * mib + 8, 3 * mib + 8]);
    const seen = [
      seenAs('made', 0, 0),
      { kind: 'freed', value: 0 } as const,
      seenAs('made', 1, 3 * mib),
      seenAs('made', 2, 8 * mib),
      seenAs('made', 3, 9 * mib),
    ];
    assert.deepEqual(measureReuse(graph, plan, seen), {
      plannedBytes: 3 * mib + 8,
      hitBytes: mib,
      buffers: 3,
      large: { plannedBytes: 3 * mib, hitBytes: mib, buffers: 2 },
      misses: [
        { value: 1, name: 'value 1', plannedBytes: 2 * mib, hitBytes: mib },
        { value: 2, name: 'value 2', plannedBytes: mib, hitBytes: 0 },
      ],
    });
  });
});

function hitsByByte(graph: Graph, planned: ReadonlyMap<ValueId, number>, seen: readonly Observation[]): number {
  const freed = new Set<number>();
  const alive = new Map<ValueId, { address: number; bytes: number; handles: number }>();
  let hits = 0;
  for (const each of seen) {
    const root = rootOf(graph, each.value);
    const buffer = alive.get(root);
    if (each.kind !== 'freed' && buffer !== undefined) buffer.handles += 1;
    else if (each.kind !== 'freed') {
      const bytes = Array.from({ length: each.bytes }, (_, at) => each.address + at);
      hits += Math.min(planned.get(root) ?? 0, bytes.filter((byte) => freed.has(byte)).length);
      for (const byte of bytes) freed.delete(byte);
      alive.set(root, { ...each, handles: 1 });
    } else if (--buffer!.handles === 0) {
      for (let at = 0; at < buffer!.bytes; at++) freed.add(buffer!.address + at);
      alive.delete(root);
    }
  }
  return hits;
}
