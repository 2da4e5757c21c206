import assert from 'node:assert/strict';
import { Arrivals } from './arrivals.ts';
import type { Sum } from './engine/engine.ts';

/** An exchange whose sums arrive when the test says so, and an engine that notes what is asked of it. */
function rig({ waits = true } = {}) {
  const log: string[] = [];
  const there = new Set<number>();
  const inUse = new Set<number>();
  const sums = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)];
  const brought = new Set<number>();
  let told = 0;
  const engine = {
    room: (elements: number) => `room of ${elements}`,
    expect: (handle: string, first: number, elements: number, isVacant: boolean) => {
      told += 1;
      log.push(`${told}: ${elements} to ${handle} from ${first}${isVacant ? ', vacant' : ''}`);
      return told;
    },
    bring: (expected: number, from: Float32Array) => {
      if (inUse.has(expected)) return false;
      brought.add(expected);
      log.push(`${from.join(' ')} as ${expected}`);
      return true;
    },
    settle: (expected: number) => {
      if (!waits && !brought.has(expected)) return false;
      log.push(`settle ${expected}`);
      return true;
    },
    free: (room: string) => log.push(`free ${room}`),
  };
  const exchange = {
    arrived: (bucket: number) => there.has(bucket),
    await: (bucket: number) => (there.delete(bucket), log.push(`end of ${bucket}`), 0),
    sum: (bucket: number) => sums[bucket],
  };
  const arrivals = new Arrivals(engine as never, exchange as never);
  return { arrivals, logged: () => log.splice(0), arrive: (bucket: number) => void there.add(bucket), inUse };
}

const numbersIn = (sum: Sum) => (sum instanceof Float32Array ? [...sum] : sum);

describe('Arrivals', () => {
  it('takes a sum that has no place from the exchange, once it has arrived', () => {
    const { arrivals, logged } = rig();
    assert.equal(arrivals.settle(0, true), false);
    assert.deepEqual(numbersIn(arrivals.sumOf({ bucket: 0, offset: 1, length: 2 })), [2, 3]);
    assert.deepEqual(logged(), []);
  });

  it('brings each sum that has arrived, once, into its room, and gives the room back', () => {
    const { arrivals, logged, arrive } = rig();
    arrivals.fetch({ bucket: 0, elements: 4 });
    arrivals.fetch({ bucket: 1, elements: 2 });
    arrivals.bringArrived();
    assert.deepEqual(logged(), ['1: 4 to room of 4 from 0', '2: 2 to room of 2 from 0']);
    arrive(1);
    arrivals.bringArrived();
    arrivals.bringArrived();
    assert.deepEqual(logged(), ['5 6 as 2']);
    arrive(0);
    arrivals.bringArrived();
    assert.deepEqual(logged(), ['1 2 3 4 as 1']);
    assert.equal(arrivals.settle(0, false), true);
    assert.deepEqual(arrivals.sumOf({ bucket: 0, offset: 1, length: 3 }), {
      handle: 'room of 4',
      offset: 1,
      length: 3,
    });
    arrivals.release(0);
    assert.deepEqual(logged(), ['settle 1', 'end of 0', 'free room of 4']);
  });

  it('brings a sum to where its contribution was, which it does not free', () => {
    const { arrivals, logged, arrive } = rig();
    arrivals.stay({ bucket: 1, first: 8 }, 'gradient' as never);
    arrive(1);
    arrivals.bringArrived();
    assert.equal(arrivals.settle(1, false), true);
    assert.deepEqual(arrivals.sumOf({ bucket: 1, offset: 0, length: 2 }), { handle: 'gradient', offset: 8, length: 2 });
    assert.deepEqual(logged(), ['1: 2 to gradient from 8, vacant', '5 6 as 1', 'settle 1', 'end of 1']);
  });

  it('lets a device wait for a sum that has not arrived, and ends its round with bringing it', () => {
    const { arrivals, logged, arrive } = rig();
    arrivals.fetch({ bucket: 1, elements: 2 });
    assert.equal(arrivals.settle(1, false), false);
    assert.equal(arrivals.settle(1, true), true);
    assert.equal(arrivals.needed, 1);
    arrivals.release(1);
    arrive(1);
    arrivals.bringArrived();
    assert.equal(arrivals.needed, undefined);
    assert.deepEqual(logged(), ['1: 2 to room of 2 from 0', 'settle 1', 'free room of 2', '5 6 as 1', 'end of 1']);
  });

  it('names first what the device waits for first', () => {
    const { arrivals } = rig();
    arrivals.fetch({ bucket: 0, elements: 4 });
    arrivals.fetch({ bucket: 1, elements: 2 });
    arrivals.settle(1, true);
    arrivals.settle(0, true);
    assert.equal(arrivals.needed, 1);
  });

  it('has to bring a sum first to a device that cannot wait', () => {
    const { arrivals, logged, arrive } = rig({ waits: false });
    arrivals.fetch({ bucket: 1, elements: 2 });
    assert.equal(arrivals.settle(1, true), false);
    assert.equal(arrivals.needed, undefined);
    arrive(1);
    arrivals.bringArrived();
    assert.equal(arrivals.settle(1, true), true);
    assert.deepEqual(logged().slice(1), ['5 6 as 1', 'settle 1', 'end of 1']);
  });

  it('brings a sum again whose room was still in use', () => {
    const { arrivals, logged, arrive, inUse } = rig();
    arrivals.fetch({ bucket: 1, elements: 2 });
    arrive(1);
    inUse.add(1);
    arrivals.bringArrived();
    assert.equal(arrivals.isComing(1), true);
    inUse.clear();
    arrivals.bringArrived();
    assert.equal(arrivals.isComing(1), false);
    assert.deepEqual(logged().slice(1), ['5 6 as 1']);
  });
});
