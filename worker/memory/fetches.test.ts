import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { type ArbitraryStep, arbitraryStep } from './arbitrary-graph.ts';
import type { Event, Stream } from './event.ts';
import { withFetches } from './fetches.ts';
import { planStep } from './plan.ts';
import { type Simulation, simulate } from './simulate.ts';

const planned = (step: ArbitraryStep, recycling = true) => planStep({ ...step, recycling, fetches: true });
const holds = (property: (step: ArbitraryStep) => void) =>
  fc.assert(fc.property(arbitraryStep, property), { numRuns: 300 });

const fetchesOf = (events: readonly Event[]) => events.flatMap((event) => (event.kind === 'fetch' ? [event] : []));
const isAwait = (event: Event) => event.kind === 'await';

const isTaken = (event: Event) => event.kind === 'update' || event.kind === 'average';

/** The peak with every fetch right before its await, and every release right after the last update. */
function latestPeakBytes(step: ArbitraryStep): number {
  const { steady, baseBytes } = planStep({ ...step, recycling: true });
  const ends = step.buckets.map(({ id }) =>
    steady.events.findLastIndex((event) => isTaken(event) && 'bucket' in event && event.bucket === id),
  );
  const events = steady.events.flatMap((event, at): Event[] => {
    if (event.kind === 'await') {
      return [
        { kind: 'fetch', bucket: event.bucket, offset: 0, elements: step.buckets[event.bucket]!.elements },
        event,
      ];
    }
    return ends.includes(at) ? [event, { kind: 'release', bucket: ends.indexOf(at) }] : [event];
  });
  return simulate(step.graph, events, baseBytes, step.nodeBytes).peak.bytes;
}

/** Room by room: made, awaited, used and given back, each once and in this order. Returns the bytes of rooms after each event. */
function roomBytes(step: ArbitraryStep, { events }: Stream): number[] {
  const state = new Map<number, 'fetched' | 'awaited' | 'released'>();
  return events.map((event) => {
    if (event.kind === 'fetch') {
      assert.equal(state.get(event.bucket), undefined);
      assert.equal(event.elements, step.buckets[event.bucket]!.elements);
      state.set(event.bucket, 'fetched');
    } else if (event.kind === 'await') {
      assert.equal(state.get(event.bucket), 'fetched');
      state.set(event.bucket, 'awaited');
    } else if (event.kind === 'update' || event.kind === 'average' || event.kind === 'release') {
      assert.equal(state.get(event.bucket), 'awaited');
      if (event.kind === 'release') state.set(event.bucket, 'released');
    }
    return [...state].reduce((sum, [bucket, is]) => {
      return sum + (is === 'released' ? 0 : 4 * step.buckets[bucket]!.elements);
    }, 0);
  });
}

describe('withFetches', () => {
  it('never needs over 2 % more than when every sum is fetched right before it is awaited', () => {
    holds((step) => {
      assert.ok(planned(step).peak.bytes <= 1.02 * latestPeakBytes(step));
    });
  });

  it('fetches each bucket once before it is awaited, and gives its room back after its last update', () => {
    holds((step) => {
      const { steady, first, drain } = planned(step);
      assert.equal(roomBytes(step, steady).at(-1), 0);
      assert.equal(roomBytes(step, drain).at(-1), 0);
      assert.ok(roomBytes(step, first).every((bytes) => bytes === 0));
      assert.equal(fetchesOf(steady.events).length, step.buckets.length);
    });
  });

  it('changes nothing else', () => {
    holds((step) => {
      const without = planStep({ ...step, recycling: true });
      const { steady, first, baseBytes } = planned(step);
      const rest = steady.events.filter(({ kind }) => kind !== 'fetch' && kind !== 'release');
      assert.deepEqual(rest, without.steady.events);
      assert.deepEqual(first, without.first);
      assert.equal(baseBytes, without.baseBytes);
    });
  });

  it('counts the room in the bytes after every event, of a drain too, which never needs more than a step', () => {
    holds((step) => {
      for (const recycling of [true, false]) {
        const { steady, drain, baseBytes, peak } = planned(step, recycling);
        const without = planStep({ ...step, recycling }).steady.liveBytes;
        const rooms = roomBytes(step, steady);
        let at = -1;
        steady.events.forEach(({ kind }, index) => {
          if (kind !== 'fetch' && kind !== 'release') at += 1;
          const rest = at === -1 ? baseBytes : without[at]!;
          assert.equal(steady.liveBytes[index], rest + rooms[index]!);
        });
        assert.deepEqual(
          drain.liveBytes,
          roomBytes(step, drain).map((bytes) => baseBytes + bytes),
        );
        assert.ok(Math.max(baseBytes, ...drain.liveBytes) <= peak.bytes);
      }
    });
  });

  it('fetches in the order of awaiting, each as early as that allows behind the one before', () => {
    holds((step) => {
      const { steady, baseBytes } = planned(step);
      const limitBytes = 1.02 * latestPeakBytes(step);
      const order = fetchesOf(steady.events).map(({ bucket }) => bucket);
      assert.deepEqual(
        order,
        steady.events.filter(isAwait).map((event) => ('bucket' in event ? event.bucket : -1)),
      );
      steady.events.forEach((event, at) => {
        const before = steady.events[at - 1];
        if (event.kind !== 'fetch' || before === undefined || before.kind === 'fetch') return;
        const swapped = [...steady.events];
        [swapped[at - 1], swapped[at]] = [event, before];
        const { mostBytes }: Simulation = simulate(step.graph, swapped, baseBytes, step.nodeBytes);
        assert.ok(Math.max(...mostBytes) > limitBytes, `the fetch at ${at} could be earlier`);
      });
    });
  });

  it('fetches everything at the start of a step where there is room', () => {
    const buckets = [0, 1].map((id) => ({ id, layer: id + 1, priority: 0, elements: 4, parts: [] }));
    const taking = (bucket: number): Event[] => [
      { kind: 'await', bucket },
      { kind: 'update', variable: bucket, bucket, offset: 0, length: 4 },
    ];
    const events: Event[] = [
      { kind: 'run', node: 0 },
      ...taking(0),
      { kind: 'run', node: 1 },
      ...taking(1),
      { kind: 'run', node: 2 },
    ];
    const eventsWith = (peakBytes: number, mostElements = 8) => {
      const simulated = (all: readonly Event[]): Simulation => {
        let live = 0;
        const liveBytes = all.map(
          ({ kind }) => (live += kind === 'fetch' ? 4 * Math.min(4, mostElements) : kind === 'release' ? -16 : 0),
        );
        const mostBytes = liveBytes.map((bytes, at) => Math.max(bytes, liveBytes[at - 1] ?? 0));
        return { liveBytes, mostBytes, peak: { bytes: peakBytes, event: 0, liveBytes: 0 } };
      };
      return withFetches(events, buckets, simulated, mostElements);
    };
    const kindsWith = (...limits: [number, number?]) => eventsWith(...limits).map(({ kind }) => kind);
    const taken = ['await', 'update', 'release'];
    assert.deepEqual(kindsWith(32), ['fetch', 'fetch', 'run', ...taken, 'run', ...taken, 'run']);
    assert.deepEqual(kindsWith(16), ['fetch', 'run', ...taken, 'fetch', 'run', ...taken, 'run']);
    // In halves, one of the second bucket has room from the start.
    assert.deepEqual(kindsWith(24, 2), ['fetch', 'fetch', 'fetch', 'run', ...taken, 'fetch', 'run', ...taken, 'run']);
    assert.deepEqual(fetchesOf(eventsWith(24, 2)).slice(2), [
      { kind: 'fetch', bucket: 1, offset: 0, elements: 2 },
      { kind: 'fetch', bucket: 1, offset: 2, elements: 2 },
    ]);
  });
});
