import assert from 'node:assert/strict';
import type { Handle } from './engine/engine.ts';
import { Transit } from './transit.ts';

interface RigOptions {
  elements?: number;
  /** The first one's place is in use until the second has been brought. */
  behind?: readonly [number, number];
  /** What leaves has left once somebody has asked so many times. */
  asks?: number;
}

/**
 * A device that can wait by itself, and an exchange whose sums arrive when the test says so, when they are waited for, or with
 * `asks` as soon as their contributions are submitted.
 */
function rig({ elements = 1, behind, asks = Infinity }: RigOptions = {}) {
  const log: string[] = [];
  const there = new Set<number>();
  const sent = new Set<number>();
  /** Whose sum has been waited for, and which nobody submits again. */
  const waited = new Set<number>();
  let told = 0;
  let asked = 0;
  const brought = new Set<number>();
  const engine = {
    room: () => 'room',
    expect: () => (told += 1),
    bring: (expected: number) => {
      if (expected === behind?.[0] && !brought.has(behind[1])) return false;
      brought.add(expected);
      log.push(`bring ${expected}`);
      return true;
    },
    settle: (expected: number) => {
      log.push(`settle ${expected}${brought.has(expected) ? '' : ' ahead'}`);
      return true;
    },
    arrived: (transfer: number) => sent.has(transfer) || (asked += 1) > asks,
    lanes: 1,
    fetches: true,
    sendAll: (parts: { handle: number }[]) => parts.map(({ handle }) => handle),
  };
  const exchange = {
    outgoing: () => new Float32Array(1),
    submit: (bucket: number) => {
      log.push(`submit ${bucket}`);
      if (asks < Infinity) there.add(bucket);
    },
    arrived: (bucket: number) => there.has(bucket),
    await: (bucket: number, patienceMs?: number) => {
      if (there.delete(bucket)) waited.add(bucket);
      if (waited.has(bucket)) return 0;
      log.push(`wait for ${bucket}`);
      if (patienceMs === undefined) waited.add(bucket);
      else there.add(bucket);
      return 0.25;
    },
    sum: () => new Float32Array(elements),
  };
  const now = { ms: 0 };
  const transit = new Transit(engine as never, exchange, () => now.ms);
  for (const bucket of [0, 1]) transit.fetch({ bucket, elements });
  return {
    transit,
    later: () => void (now.ms += 1),
    logged: () => log.splice(0),
    arrive: (bucket: number) => void there.add(bucket),
    leave: (transfer: number) => void sent.add(transfer),
  };
}

describe('Transit', () => {
  it('waits for sums itself until the device may', () => {
    const { transit, logged } = rig();
    assert.equal(transit.await(0), 0.25);
    assert.deepEqual(logged(), ['wait for 0', 'bring 1', 'settle 1']);
    transit.letDeviceWait();
    assert.equal(transit.await(1), 0);
    assert.deepEqual(logged(), ['settle 2 ahead']);
  });

  it('goes on submitting and bringing whenever a kernel has been started', () => {
    const { transit, logged, arrive, leave, later } = rig();
    transit.letDeviceWait();
    transit.await(0);
    transit.departures.handOver({ bucket: 5, first: 0, offset: 0, length: 1 }, 7 as never);
    transit.departures.submit(5);
    transit.proceed();
    leave(7);
    arrive(1);
    transit.proceed();
    assert.deepEqual(logged(), ['settle 1 ahead'], 'too soon to look again');
    later();
    transit.proceed();
    assert.deepEqual(logged(), ['submit 5', 'bring 2']);
    arrive(0);
    later();
    transit.proceed();
    transit.catchUp();
    assert.deepEqual(logged(), ['bring 1']);
  });

  it('goes ahead of a device that waits for some kernels, and then waits for what the device waits for', () => {
    const { transit, logged } = rig();
    transit.letDeviceWait();
    transit.await(1);
    transit.await(0);
    for (let kernels = 0; kernels < 30; kernels++) transit.proceed();
    assert.deepEqual(logged(), ['settle 2 ahead', 'settle 1 ahead']);
    transit.proceed();
    assert.deepEqual(logged(), ['wait for 1', 'bring 2', 'wait for 0', 'bring 1']);
  });

  it('does not let the device wait for a large sum with a room of its own', () => {
    const { transit, logged } = rig({ elements: (1 << 20) + 1 });
    transit.letDeviceWait();
    assert.equal(transit.await(0), 0.25);
    assert.deepEqual(logged(), ['wait for 0', 'bring 1', 'settle 1']);
  });

  it('goes on with everything while the place of what it waits for is in use behind a sum that the device waits for', () => {
    const { transit, logged, arrive } = rig({ elements: (1 << 20) + 1, behind: [2, 3], asks: 5 });
    transit.letDeviceWait();
    transit.stay({ bucket: 2, first: 0 }, 'one' as never);
    assert.equal(transit.await(2), 0);
    transit.departures.handOver({ bucket: 2, first: 0, offset: 0, length: 1 }, 7 as never);
    transit.departures.submit(2);
    arrive(1);
    assert.equal(transit.await(1), 0);
    assert.deepEqual(logged(), ['settle 3 ahead', 'submit 2', 'bring 3', 'bring 2', 'settle 2']);
  });

  it('lets it wait for a sum in the memory of a contribution, which comes before that is freed or used again', () => {
    const { transit, logged } = rig({ elements: (1 << 20) + 1 });
    transit.letDeviceWait();
    const [one, other] = ['one', 'other'] as unknown as Handle[];
    transit.stay({ bucket: 2, first: 0 }, one!);
    transit.stay({ bucket: 3, first: 0 }, other!);
    assert.equal(transit.await(2), 0);
    assert.equal(transit.await(3), 0);
    transit.vacate(one!);
    assert.deepEqual(logged(), ['settle 3 ahead', 'settle 4 ahead', 'wait for 2', 'bring 3']);
    transit.stay({ bucket: 3, first: 0 }, other!);
    assert.deepEqual(logged(), ['wait for 3', 'bring 4']);
    assert.equal(transit.await(3), 0);
    assert.deepEqual(logged(), ['settle 5 ahead']);
  });

  it('does not go ahead for ever by awaiting one sum after the other, as when a training is drained', () => {
    const { transit, logged } = rig();
    transit.letDeviceWait();
    for (let bucket = 2; bucket < 80; bucket++) transit.fetch({ bucket, elements: 1 });
    for (let bucket = 2; bucket < 34; bucket++) transit.await(bucket);
    assert.ok(logged().every((line) => line.endsWith('ahead')));
    transit.await(34);
    assert.equal(transit.arrivals.needed, undefined);
    assert.equal(logged().filter((line) => line.startsWith('bring')).length, 33);
  });

  it('brings all that the device waits for before anybody waits for the device', () => {
    const { transit, logged } = rig();
    transit.letDeviceWait();
    transit.await(0);
    transit.catchUp();
    transit.catchUp();
    assert.deepEqual(logged(), ['settle 1 ahead', 'wait for 0', 'bring 1']);
  });
});
