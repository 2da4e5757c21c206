import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { rootOf, type ValueId } from '../graph/graph.ts';
import { type ArbitraryStep, arbitraryStep } from './arbitrary-graph.ts';
import type { Event, Stream } from './event.ts';
import { fetchedLast, withFetches } from './fetches.ts';
import { makesOf, readsOf } from './lifetimes.ts';
import { type Plan, planStep } from './plan.ts';
import { type Carried, carriedBy, type Simulation, simulate } from './simulate.ts';
import { findStays, withStay } from './stays.ts';
import { stepEvents } from './step-events.ts';

const planned = (step: ArbitraryStep, recycling = true) => planStep({ ...step, recycling, fetches: true });
const holds = (property: (step: ArbitraryStep) => void) =>
  fc.assert(fc.property(arbitraryStep, property), { numRuns: 300 });

const fetchesOf = (events: readonly Event[]) => events.flatMap((event) => (event.kind === 'fetch' ? [event] : []));

const isTaken = (event: Event): event is Extract<Event, { kind: 'update' | 'average' }> =>
  event.kind === 'update' || event.kind === 'average';

const withoutTransfers = ({ graph, buckets }: ArbitraryStep) =>
  stepEvents(graph, buckets, { alone: false, together: true, recycling: true });

/** The peak with every fetch right before its await, and every release right after the last update. */
function latestPeakBytes(step: ArbitraryStep): number {
  const { baseBytes } = planStep({ ...step, recycling: true });
  return simulate(step.graph, fetchedLast(withoutTransfers(step), step.buckets), baseBytes, step.nodeBytes).peak.bytes;
}

const elementsOf = (step: ArbitraryStep, bucket: number) => step.buckets[bucket]!.elements;

/**
 * Place by place: made or kept, awaited, used and given back, each once and in this order, and made or kept again at most
 * after it was submitted. A contribution that is kept is alive, and read by nothing, until its sums are taken in.
 */
function checkPlaces(step: ArbitraryStep, { steady }: Plan, { events }: Stream, carried?: Carried): void {
  const state = new Map<number, 'coming' | 'awaited' | 'taken' | 'submitted' | 'ahead'>();
  const stays = new Map<number, number>();
  for (const event of steady.events) if (event.kind === 'stay') stays.set(event.bucket, event.value);
  for (const bucket of carried?.rooms.keys() ?? []) state.set(bucket, 'coming');
  for (const [bucket, value] of stays) if (carried?.values.includes(value)) state.set(bucket, 'coming');
  const isOver = (bucket: number) => state.get(bucket) === 'taken' || state.get(bucket) === undefined;
  events.forEach((event, at) => {
    const is = 'bucket' in event ? state.get(event.bucket) : undefined;
    if (event.kind === 'fetch') {
      assert.equal(is, event.ahead ? 'submitted' : undefined);
      assert.equal(event.elements, elementsOf(step, event.bucket));
      state.set(event.bucket, event.ahead ? 'ahead' : 'coming');
    } else if (event.kind === 'stay') {
      assert.equal(is, 'submitted');
      state.set(event.bucket, 'ahead');
      const isAway = events.slice(at).every((later) => later.kind !== 'free' || later.value !== event.value);
      assert.ok(isAway, 'a contribution that is kept is freed in the same step');
      const root = rootOf(step.graph, event.value);
      const others = events.slice(at).filter((later) => later.kind !== 'handOver' || later.value !== event.value);
      const readers = others.filter((later) =>
        readsOf(step.graph, later).some((id) => rootOf(step.graph, id) === root),
      );
      assert.deepEqual(readers, [], 'a contribution is read where its sum may be already');
    } else if (event.kind === 'await') {
      assert.equal(is, 'coming');
      state.set(event.bucket, 'awaited');
    } else if (isTaken(event)) {
      assert.equal(is, 'awaited');
      const isLast = events.slice(at + 1).every((later) => !isTaken(later) || later.bucket !== event.bucket);
      if (isLast && stays.has(event.bucket)) state.set(event.bucket, 'taken');
    } else if (event.kind === 'release') {
      assert.equal(is, 'awaited');
      assert.ok(!stays.has(event.bucket));
      state.set(event.bucket, 'taken');
    } else if (event.kind === 'submit') {
      assert.ok(isOver(event.bucket));
      state.set(event.bucket, 'submitted');
    } else if (event.kind === 'free' && carried?.values.includes(event.value)) {
      for (const [bucket, value] of stays) assert.ok(value !== event.value || state.get(bucket) === 'taken');
    }
  });
}

const isOfTransfers = ({ kind }: Event) => ['fetch', 'release', 'stay', 'free'].includes(kind);

/** Bytes as an engine would count them: buffers of the graph, and rooms. */
function countBytes(step: ArbitraryStep, plan: Plan, { events }: Stream, carried?: Carried): number[] {
  const { graph } = step;
  const resident = new Set([...graph.variables, ...graph.constants].map(({ value }) => value));
  const handles = new Set<ValueId>(carried?.values);
  const rooms = new Map(carried?.rooms);
  return events.map((event) => {
    for (const value of makesOf(graph, event)) {
      const isOther = (handle: ValueId) => handle === value || rootOf(graph, handle) === value;
      assert.ok(![...handles].some(isOther), `value ${value} is made while its memory is in use`);
      handles.add(value);
    }
    if (event.kind === 'free') assert.ok(handles.delete(event.value), `value ${event.value} is freed twice`);
    for (const value of readsOf(graph, event)) assert.ok(handles.has(value) || resident.has(value));
    if (event.kind === 'fetch') rooms.set(event.bucket, 4 * event.elements);
    if (event.kind === 'release') rooms.delete(event.bucket);
    const roots = new Set([...handles].map((value) => rootOf(graph, value)).filter((root) => !resident.has(root)));
    const bytes = [...roots].reduce((sum, root) => sum + (graph.values[root]?.bytes ?? 0), plan.baseBytes);
    return [...rooms.values()].reduce((sum, room) => sum + room, bytes);
  });
}

describe('withTransfers', () => {
  it('never needs over 25 % more than when every sum is fetched right before it is awaited', () => {
    holds((step) => {
      assert.ok(planned(step).peak.bytes <= 1.25 * latestPeakBytes(step));
    });
  });

  it('has one place for each bucket before it is awaited, and gives it back after its last update', () => {
    holds((step) => {
      const plan = planned(step);
      const { steady, first, drain } = plan;
      const carried = carriedBy(steady.events);
      checkPlaces(step, plan, steady, carried);
      checkPlaces(step, plan, first);
      checkPlaces(step, plan, drain, carried);
      const placed = steady.events.filter(({ kind }) => kind === 'fetch' || kind === 'stay');
      assert.equal(placed.length, step.buckets.length);
      assert.ok(fetchesOf(first.events).every(({ ahead }) => ahead));
      assert.ok(drain.events.every((event) => event.kind !== 'stay' && (event.kind !== 'fetch' || !event.ahead)));
    });
  });

  it('changes nothing else', () => {
    holds((step) => {
      const without = planStep({ ...step, recycling: true });
      const { steady, first, baseBytes } = planned(step);
      const rest = (stream: Stream) => stream.events.filter((event) => !isOfTransfers(event));
      assert.deepEqual(rest(steady), rest(without.steady));
      assert.deepEqual(rest(first), rest(without.first));
      assert.equal(baseBytes, without.baseBytes);
    });
  });

  it('predicts the bytes after every event, of a drain too, which never needs more than a step', () => {
    holds((step) => {
      for (const recycling of [true, false]) {
        const plan = planned(step, recycling);
        const carried = carriedBy(plan.steady.events);
        assert.deepEqual(plan.steady.liveBytes, countBytes(step, plan, plan.steady, carried));
        assert.deepEqual(plan.first.liveBytes, countBytes(step, plan, plan.first));
        assert.deepEqual(plan.drain.liveBytes, countBytes(step, plan, plan.drain, carried));
        assert.equal(plan.drain.liveBytes.at(-1) ?? plan.baseBytes, plan.baseBytes);
        assert.ok(Math.max(plan.baseBytes, ...plan.first.liveBytes, ...plan.drain.liveBytes) <= plan.peak.bytes);
      }
    });
  });

  it('frees what was handed over as late as memory allows, where it goes with one handle', () => {
    let late = 0;
    holds((step) => {
      const { steady, peak, baseBytes } = planned(step);
      const carried = carriedBy(steady.events);
      const sent = new Set(steady.events.flatMap((event) => (event.kind === 'handOver' ? [event.value] : [])));
      const handles = Map.groupBy(step.graph.values, ({ id }) => rootOf(step.graph, id));
      if ([...sent].some((value) => handles.get(rootOf(step.graph, value))?.length !== 1)) return;
      steady.events.forEach((event, at) => {
        const after = steady.events[at + 1];
        if (event.kind !== 'free' || !sent.has(event.value)) return;
        if (
          after === undefined ||
          after.kind === 'free' ||
          makesOf(step.graph, after).includes(rootOf(step.graph, event.value))
        )
          return;
        const swapped = [...steady.events];
        [swapped[at], swapped[at + 1]] = [after, event];
        const { mostBytes }: Simulation = simulate(step.graph, swapped, baseBytes, step.nodeBytes, carried);
        assert.ok(mostBytes[at]! > peak.bytes || mostBytes[at + 1]! > peak.bytes);
        late += 1;
      });
    });
    assert.ok(late > 10, `only ${late} were not freed at the end`);
  });

  it('fetches each bucket as early as that allows behind the one awaited before, or in the step before', () => {
    holds((step) => {
      const { baseBytes } = planStep({ ...step, recycling: true });
      const simulated = (events: readonly Event[]) =>
        simulate(step.graph, events, baseBytes, step.nodeBytes, carriedBy(events));
      const late = fetchedLast(withoutTransfers(step), step.buckets);
      const { peak } = simulated(late);
      const limitBytes = 1.25 * peak.bytes;
      const events = withFetches(late, simulated(late), limitBytes);
      events.forEach((event, at) => {
        const before = events[at - 1];
        if (event.kind !== 'fetch' || before === undefined || before.kind === 'fetch') return;
        if (before.kind === 'submit' && before.bucket === event.bucket) return;
        const swapped = [...events];
        [swapped[at - 1], swapped[at]] = [event, before];
        const { mostBytes } = simulated(swapped);
        assert.ok(mostBytes[at]! > (event.ahead ? peak.bytes : limitBytes), `the fetch at ${at} could be earlier`);
      });
    });
  });

  it('keeps every contribution that its sums can come back to, where memory allows', () => {
    let kept = 0;
    holds((step) => {
      const { steady, baseBytes } = planned(step);
      const late = fetchedLast(withoutTransfers(step), step.buckets);
      const peakOf = (events: readonly Event[]) =>
        simulate(step.graph, events, baseBytes, step.nodeBytes, carriedBy(events)).peak.bytes;
      const stays = findStays(step.graph, late, step.buckets);
      const { values } = carriedBy(steady.events);
      kept += values.length;
      const chosen = stays.filter(({ value }) => values.includes(value)).reduce<Event[]>(withStay, late);
      assert.ok(peakOf(chosen) <= 1.25 * peakOf(late));
      for (const stay of stays) {
        assert.ok(values.includes(stay.value) || peakOf(withStay(chosen, stay)) > 1.25 * peakOf(late));
      }
    });
    assert.ok(kept > 100, `only ${kept} were kept`);
  });

  it('fetches in the step before, as soon as the sum was submitted, what there is room for until it is awaited', () => {
    const buckets = [0, 1].map((id) => ({ id, layer: id + 1, priority: 0, elements: 4, parts: [] }));
    const taking = (bucket: number): Event[] => [
      { kind: 'await', bucket },
      { kind: 'update', variable: bucket, first: 0, bucket, offset: 0, length: 4 },
    ];
    const events: Event[] = [
      { kind: 'run', node: 0 },
      ...taking(0),
      { kind: 'run', node: 1 },
      ...taking(1),
      { kind: 'run', node: 2 },
      { kind: 'submit', bucket: 1 },
      { kind: 'run', node: 3 },
      { kind: 'submit', bucket: 0 },
      { kind: 'run', node: 4 },
    ];
    const eventsWith = (peakBytes: number) => {
      const simulated = (all: readonly Event[]): Simulation => {
        let live = 0;
        const liveBytes = all.map(({ kind }) => (live += kind === 'fetch' ? 16 : kind === 'release' ? -16 : 0));
        const mostBytes = liveBytes.map((bytes, at) => Math.max(bytes, liveBytes[at - 1] ?? 0));
        return { liveBytes, mostBytes, peak: { bytes: peakBytes, event: 0, liveBytes: 0 } };
      };
      const late = fetchedLast(events, buckets);
      return withFetches(late, simulated(late), peakBytes);
    };
    const said = (peakBytes: number) =>
      eventsWith(peakBytes)
        .map((event) => ('bucket' in event ? `${event.kind} ${event.bucket}` : event.kind))
        .join(', ');
    const head = 'run, await 0, update 0, release 0';
    const rest = 'run, await 1, update 1, release 1, run';
    assert.equal(said(32), `${head}, ${rest}, submit 1, fetch 1, run, submit 0, fetch 0, run`);
    assert.equal(said(16), `${head}, fetch 1, ${rest}, submit 1, run, submit 0, fetch 0, run`);
    assert.deepEqual(fetchesOf(eventsWith(16)), [
      { kind: 'fetch', bucket: 1, elements: 4, ahead: false },
      { kind: 'fetch', bucket: 0, elements: 4, ahead: true },
    ]);
  });
});
