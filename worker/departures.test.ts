import assert from 'node:assert/strict';
import { Departures } from './departures.ts';

/**
 * An engine whose transfers arrive when the test says so, and an exchange that notes what is submitted and in which sums
 * arrive as soon as everyone, `others` too, has been asked often enough.
 */
function rig({ others = 0, near = false } = {}) {
  const submitted: number[] = [];
  const arrived = new Set<number>([0]);
  const asked = new Set<number>();
  const awaited: string[] = [];
  const copies: number[][] = [];
  const engine = {
    lanes: 3,
    fetches: !near,
    send: (handle: number, target: Float32Array, first: number) =>
      void copies.push([handle, target.byteOffset / 4, target.length, first]),
    sendAll: (parts: { handle: number }[]) => parts.map(({ handle }) => handle).filter((transfer) => transfer > 0),
    arrived: (transfer: number) => {
      asked.add(transfer);
      return arrived.has(transfer);
    },
  };
  let patience = others;
  const exchange = {
    outgoing: () => new Float32Array(8),
    submit: (bucket: number) => submitted.push(bucket),
    arrived: (bucket: number) => submitted.includes(bucket) && patience === 0,
    await: (bucket: number, patienceMs?: number) => {
      awaited.push(patienceMs === undefined ? `${bucket}` : `${bucket} for a moment`);
      if (patienceMs !== undefined) patience -= 1;
      return 0.5;
    },
  };
  const departures = new Departures(engine as never, exchange as never);
  /** A part whose bytes are the transfer of that number. */
  const handOver = (bucket: number, transfer: number) =>
    departures.handOver({ bucket, first: 5, offset: 2, length: 3 }, transfer as never);
  return {
    departures,
    handOver,
    submitted,
    asked,
    awaited,
    copies,
    arrive: (transfer: number) => void arrived.add(transfer),
  };
}

describe('Departures', () => {
  it('submits at once what has arrived', () => {
    const { departures, handOver, submitted } = rig();
    handOver(4, 0);
    departures.submit(4);
    assert.deepEqual(submitted, [4]);
  });

  it('copies each part at once from an engine that is near', () => {
    const { departures, handOver, copies, submitted } = rig({ near: true });
    handOver(4, 11);
    handOver(4, 12);
    assert.deepEqual(copies, [
      [11, 2, 3, 5],
      [12, 2, 3, 5],
    ]);
    departures.submit(4);
    assert.deepEqual(submitted, [4]);
  });

  it('submits each bucket once all of its own bytes have arrived, in whatever order', () => {
    const { departures, handOver, submitted, arrive } = rig();
    handOver(7, 1);
    handOver(5, 3);
    handOver(7, 2);
    departures.submit(7);
    departures.submit(5);
    assert.deepEqual(submitted, []);
    arrive(2);
    departures.submitArrived();
    assert.deepEqual(submitted, []);
    arrive(3);
    departures.submitArrived();
    assert.deepEqual(submitted, [5]);
    arrive(1);
    departures.submitArrived();
    departures.submitArrived();
    assert.deepEqual(submitted, [5, 7]);
  });

  it('does not ask for what stands behind something in its lane', () => {
    const { departures, handOver, submitted, asked, arrive } = rig();
    for (const [bucket, transfer] of [
      [0, 1],
      [1, 4],
      [2, 2],
    ] as const) {
      handOver(bucket, transfer);
      departures.submit(bucket);
    }
    asked.clear();
    departures.submitArrived();
    assert.deepEqual([...asked], [1, 2]);
    for (const transfer of [1, 2, 4]) arrive(transfer);
    departures.submitArrived();
    assert.deepEqual(submitted, [0, 1, 2]);
  });

  it('submits the next round of a bucket when the bytes of that round have arrived', () => {
    const { departures, handOver, submitted } = rig();
    handOver(7, 0);
    departures.submit(7);
    handOver(7, 1);
    departures.submit(7);
    assert.deepEqual(submitted, [7]);
  });

  it('goes on submitting while it waits for a sum: others may wait for that', () => {
    const { departures, handOver, submitted, awaited, arrive } = rig({ others: 2 });
    handOver(7, 1);
    departures.submit(7);
    handOver(5, 2);
    departures.submit(5);
    let turns = 0;
    const seconds = departures.await(7, () => {
      turns += 1;
      if (turns === 3) arrive(1);
      return false;
    });
    assert.deepEqual(submitted, [7]);
    assert.deepEqual(awaited, ['7 for a moment', '7 for a moment', '7']);
    assert.equal(seconds, 1.5);
  });

  it('waits no longer than somebody needs the sum', () => {
    const { departures, handOver, awaited } = rig();
    handOver(7, 1);
    departures.submit(7);
    assert.equal(
      departures.await(7, () => true),
      0,
    );
    assert.deepEqual(awaited, []);
  });
});
