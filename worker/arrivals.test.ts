import assert from 'node:assert/strict';
import { Arrivals } from './arrivals.ts';
import type { Sum } from './engine/engine.ts';

/** An exchange whose sums arrive when the test says so, and an engine that notes what is copied where. */
function rig() {
  const log: string[] = [];
  const there = new Set<number>();
  const sums = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)];
  const engine = {
    room: (elements: number) => `room of ${elements}`,
    fill: (room: string, from: Float32Array) => log.push(`${from.join(' ')} into ${room}`),
    free: (room: string) => log.push(`free ${room}`),
  };
  const exchange = { arrived: (bucket: number) => there.has(bucket), sum: (bucket: number) => sums[bucket] };
  const arrivals = new Arrivals(engine as never, exchange as never);
  return { arrivals, log, arrive: (bucket: number) => there.add(bucket) };
}

const numbersIn = (sum: Sum) => (sum instanceof Float32Array ? [...sum] : sum);

describe('Arrivals', () => {
  it('takes a sum that nobody fetched from the exchange', () => {
    const { arrivals } = rig();
    assert.deepEqual(numbersIn(arrivals.sumOf({ bucket: 0, offset: 1, length: 2 })), [2, 3]);
  });

  it('copies each sum that has arrived, once, whichever was fetched first', () => {
    const { arrivals, log, arrive } = rig();
    arrivals.fetch({ bucket: 0, elements: 4 });
    arrivals.fetch({ bucket: 1, elements: 2 });
    arrivals.startArrived();
    assert.deepEqual(log, []);
    arrive(1);
    arrivals.startArrived();
    assert.deepEqual(log, ['5 6 into room of 2']);
    arrive(0);
    arrivals.startArrived();
    arrivals.startArrived();
    assert.deepEqual(log, ['5 6 into room of 2', '1 2 3 4 into room of 4']);
    const part = arrivals.sumOf({ bucket: 0, offset: 1, length: 3 });
    assert.deepEqual(part, { handle: 'room of 4', offset: 1, length: 3 });
  });

  it('starts what was awaited, and gives the room back', () => {
    const { arrivals, log } = rig();
    arrivals.fetch({ bucket: 1, elements: 2 });
    arrivals.start(1);
    arrivals.start(1);
    arrivals.release(1);
    assert.deepEqual(log, ['5 6 into room of 2', 'free room of 2']);
    assert.deepEqual(numbersIn(arrivals.sumOf({ bucket: 1, offset: 0, length: 1 })), [5]);
  });
});
