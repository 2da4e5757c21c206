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
        {
          kind: 'fetch',
          bucket: event.bucket,
          elements: step.buckets[event.bucket]!.elements,
          ahead: false,
        },
        event,
      ];
    }
    return ends.includes(at) ? [event, { kind: 'release', bucket: ends.indexOf(at) }] : [event];
  });
  return simulate(step.graph, events, baseBytes, step.nodeBytes).peak.bytes;
}

/** Of the buckets that a step finds in rooms already, the bytes. */
function carriedRooms(step: ArbitraryStep, { events }: Stream): Map<number, number> {
  const ahead = fetchesOf(events).filter((fetch) => fetch.ahead);
  return new Map(ahead.map(({ bucket }) => [bucket, 4 * step.buckets[bucket]!.elements]));
}

/**
 * Room by room: made, awaited, used and given back, each once and in this order, and made again at most after it was
 * submitted. Returns the bytes of rooms after each event.
 */
function roomBytes(step: ArbitraryStep, { events }: Stream, carried = new Map<number, number>()): number[] {
  const state = new Map<number, 'fetched' | 'awaited' | 'released' | 'submitted' | 'ahead'>();
  for (const bucket of carried.keys()) state.set(bucket, 'fetched');
  return events.map((event) => {
    const is = 'bucket' in event ? state.get(event.bucket) : undefined;
    if (event.kind === 'fetch') {
      assert.equal(is, event.ahead ? 'submitted' : undefined);
      assert.equal(event.elements, step.buckets[event.bucket]!.elements);
      state.set(event.bucket, event.ahead ? 'ahead' : 'fetched');
    } else if (event.kind === 'await') {
      assert.equal(is, 'fetched');
      state.set(event.bucket, 'awaited');
    } else if (event.kind === 'update' || event.kind === 'average' || event.kind === 'release') {
      assert.equal(is, 'awaited');
      if (event.kind === 'release') state.set(event.bucket, 'released');
    } else if (event.kind === 'submit') {
      assert.ok(is === 'released' || is === undefined);
      state.set(event.bucket, 'submitted');
    }
    return [...state].reduce((sum, [bucket, now]) => {
      return sum + (now === 'released' || now === 'submitted' ? 0 : 4 * step.buckets[bucket]!.elements);
    }, 0);
  });
}

const isOfFetches = ({ kind }: Event) => kind === 'fetch' || kind === 'release';
const sumOf = (rooms: ReadonlyMap<number, number>) => [...rooms.values()].reduce((sum, bytes) => sum + bytes, 0);

describe('withFetches', () => {
  it('never needs over a tenth more than when every sum is fetched right before it is awaited', () => {
    holds((step) => {
      assert.ok(planned(step).peak.bytes <= 1.1 * latestPeakBytes(step));
    });
  });

  it('fetches each bucket once before it is awaited, and gives its room back after its last update', () => {
    holds((step) => {
      const { steady, first, drain } = planned(step);
      const carried = carriedRooms(step, steady);
      for (const stream of [steady, first]) {
        assert.equal(roomBytes(step, stream, stream === first ? undefined : carried).at(-1), sumOf(carried));
      }
      assert.equal(roomBytes(step, drain, carried).at(-1), 0);
      assert.equal(fetchesOf(steady.events).length, step.buckets.length);
      assert.ok(fetchesOf(first.events).every(({ ahead }) => ahead));
      assert.ok(fetchesOf(drain.events).every(({ ahead }) => !ahead));
    });
  });

  it('changes nothing else', () => {
    holds((step) => {
      const without = planStep({ ...step, recycling: true });
      const { steady, first, baseBytes } = planned(step);
      const rest = (stream: Stream) => stream.events.filter((event) => !isOfFetches(event));
      assert.deepEqual(rest(steady), without.steady.events);
      assert.deepEqual(rest(first), without.first.events);
      assert.equal(baseBytes, without.baseBytes);
    });
  });

  it('counts the room in the bytes after every event, of a drain too, which never needs more than a step', () => {
    holds((step) => {
      for (const recycling of [true, false]) {
        const { steady, first, drain, baseBytes, peak } = planned(step, recycling);
        const carried = carriedRooms(step, steady);
        const without = planStep({ ...step, recycling });
        for (const name of ['steady', 'first'] as const) {
          const stream = name === 'steady' ? steady : first;
          const rooms = roomBytes(step, stream, name === 'steady' ? carried : undefined);
          let at = -1;
          stream.events.forEach((event, index) => {
            if (!isOfFetches(event)) at += 1;
            const rest = at === -1 ? baseBytes : without[name].liveBytes[at]!;
            assert.equal(stream.liveBytes[index], rest + rooms[index]!);
          });
        }
        assert.deepEqual(
          drain.liveBytes,
          roomBytes(step, drain, carried).map((bytes) => baseBytes + bytes),
        );
        assert.ok(Math.max(baseBytes, ...first.liveBytes, ...drain.liveBytes) <= peak.bytes);
      }
    });
  });

  it('fetches each bucket as early as that allows behind the one awaited before, or in the step before', () => {
    holds((step) => {
      const { steady, baseBytes } = planned(step);
      const latestBytes = latestPeakBytes(step);
      const carried = carriedRooms(step, steady);
      steady.events.forEach((event, at) => {
        const before = steady.events[at - 1];
        if (event.kind !== 'fetch' || before === undefined || before.kind === 'fetch') return;
        if (before.kind === 'submit' && before.bucket === event.bucket) return;
        const swapped = [...steady.events];
        [swapped[at - 1], swapped[at]] = [event, before];
        const { mostBytes }: Simulation = simulate(step.graph, swapped, baseBytes, step.nodeBytes, carried);
        const limitBytes = (event.ahead ? 1 : 1.1) * latestBytes;
        assert.ok(mostBytes[at]! > limitBytes, `the fetch at ${at} could be earlier`);
      });
    });
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
      return withFetches(events, buckets, simulated, 0);
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
