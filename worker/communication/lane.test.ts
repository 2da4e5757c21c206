import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { contribute } from '../../test/bench/contribution.ts';
import { referenceSum } from '../../test/bench/reference.ts';
import { deliverAll, type LaneRig, rigFence, rigLanes } from './lane-rig.ts';
import { planBuckets } from './schedule/buckets.ts';
import { planExchange } from './schedule/plan.ts';
import type { ExchangePlan } from './schedule/types.ts';
import { encodeFrame, type Header } from './transport/frame.ts';

const constants = { alphaSeconds: 1e-4, betaSecondsPerByte: 1e-9, gammaSecondsPerByte: 1e-10, overheadSeconds: 1e-5 };

function planOf(
  worldSize: number,
  sizes: readonly number[],
  options: Partial<Pick<ExchangePlan, 'order' | 'chunkBytes'>> & { algorithm?: 'GatherSum' | 'SplitSum' | 'Auto' } = {},
): ExchangePlan {
  const buckets = planBuckets(
    sizes.map((elements, index) => ({ index, layer: index, elements })),
    { bucketBytes: 4 },
  );
  const { order = 'Priority', chunkBytes = 256, algorithm = 'Auto' } = options;
  return planExchange({ buckets, worldSize, constants, order, algorithm, chunkBytes });
}

/** Ranks run ahead of each other and messages overtake each other as `random` says; every sum is compared as soon as it is there. */
function train(rig: LaneRig, plan: ExchangePlan, steps: number, random: () => number): void {
  const at = rig.ranks.map(() => plan.buckets.map(() => ({ submitted: 0, summed: 0 })));
  const sums = Array.from({ length: steps }, (_, step) =>
    plan.buckets.map(({ id, elements }) => Buffer.from(referenceSum(plan.worldSize, step, id, elements).buffer)),
  );
  const moves = () =>
    rig.ranks.flatMap((rank, r) =>
      plan.buckets.flatMap(({ id }) => {
        const done = at[r]![id]!;
        if (done.submitted > done.summed) return rank.state.wait(id, 0) === 'done' ? [() => take(r, id)] : [];
        return done.submitted < steps ? [() => give(r, id)] : [];
      }),
    );
  const give = (r: number, id: number) => {
    contribute(rig.ranks[r]!.outgoing(id), r, at[r]![id]!.submitted, id);
    at[r]![id]!.submitted += 1;
    rig.ranks[r]!.submit(id);
  };
  const take = (r: number, id: number) => {
    const sum = rig.ranks[r]!.sum(id);
    assert.deepEqual(Buffer.from(sum.slice().buffer), sums[at[r]![id]!.summed]![id]);
    at[r]![id]!.summed += 1;
  };
  for (;;) {
    const possible = moves();
    if (possible.length === 0 && rig.mail.length === 0) break;
    const choice = Math.floor(random() * (possible.length + rig.mail.length));
    if (choice < possible.length) possible[choice]!();
    else rig.mail.splice(choice - possible.length, 1)[0]!();
    for (const { failure } of rig.ranks) assert.equal(failure, undefined);
  }
  for (const rank of at) for (const { summed } of rank) assert.equal(summed, steps);
}

describe('Lane', () => {
  for (const algorithm of ['GatherSum', 'SplitSum'] as const)
    for (const order of ['Priority', 'Fifo'] as const)
      it(`sums bit-exactly by ${algorithm} under ${order} for 1 to 8 ranks, whatever the order of arrival`, () => {
        fc.assert(
          fc.property(
            fc.integer({ min: 1, max: 8 }),
            fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 }),
            fc.constantFrom(64, 256, 4096),
            fc.integer({ min: 1, max: 3 }),
            fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
            (worldSize, sizes, chunkBytes, lanes, stream) => {
              const plan = planOf(worldSize, sizes, { algorithm, order, chunkBytes });
              train(rigLanes(plan, { lanes }), plan, 3, () => stream.next().value);
            },
          ),
          { numRuns: 40 },
        );
      });

  it('counts what it sent by collective, and the buckets it completed', () => {
    const plan = planOf(4, [64, 64]);
    const buckets = plan.buckets.map((b) => ({
      ...b,
      collective: b.id === 0 ? ('gather-sum' as const) : ('split-sum' as const),
    }));
    const rig = rigLanes({ ...plan, buckets });
    for (const rank of rig.ranks) for (const id of [0, 1]) rank.submit(id);
    deliverAll(rig);
    const stats = rig.ranks[0]!.lane.stats();
    assert.deepEqual(stats.bytesByCollective, { 'gather-sum': 3 * 256, 'split-sum': 3 * 64 + 3 * 64 });
    assert.deepEqual(stats.bucketsByCollective, { 'gather-sum': 1, 'split-sum': 1 });
    assert.deepEqual(stats.waitingFor, []);
  });

  it('drops a frame of another attempt, counts it, and still sums right', () => {
    const plan = planOf(2, [64], { algorithm: 'GatherSum' });
    const rig = rigLanes(plan);
    const stale: Header = {
      phase: 'gather',
      source: 1,
      fence: rigFence ^ 1n,
      plan: 0,
      step: 0,
      bucket: 0,
      chunk: 0,
      offset: 0,
    };
    rig.ranks[0]!.lane.frame(1, encodeFrame(stale, new Uint8Array(256).fill(1)));
    train(rig, plan, 2, () => 0);
    assert.equal(rig.ranks[0]!.lane.stats().fencedFrames, 1);
  });

  it('ends with the sender named when a frame is damaged, cut short or makes no sense', () => {
    const good: Header = {
      phase: 'gather',
      source: 1,
      fence: rigFence,
      plan: 0,
      step: 0,
      bucket: 0,
      chunk: 0,
      offset: 0,
    };
    const payload = new Uint8Array(256);
    const flipped = encodeFrame(good, payload);
    flipped[100]! ^= 4;
    const cases: [Buffer, RegExp][] = [
      [flipped, /rank 1 cannot be used: its checksum does not match/],
      [encodeFrame(good, payload).subarray(0, 80), /truncated/],
      [encodeFrame({ ...good, bucket: 9 }, payload), /bucket 9, which the plan does not have/],
      [encodeFrame({ ...good, chunk: 7 }, payload), /no chunk 7/],
      [encodeFrame({ ...good, step: 5 }, payload), /step 5 is not under way/],
      [encodeFrame({ ...good, offset: 16 }, payload), /other bounds/],
      [encodeFrame({ ...good, source: 0 }, payload), /claims to come from rank 0/],
      [encodeFrame(good, payload.subarray(0, 64)), /other bounds/],
    ];
    for (const [bytes, message] of cases) {
      const rig = rigLanes(planOf(2, [64], { algorithm: 'GatherSum' }));
      rig.ranks[0]!.submit(0);
      rig.ranks[0]!.lane.frame(1, bytes);
      const { failure } = rig.ranks[0]!;
      assert.match(failure!.message, message);
      assert.deepEqual([failure!.code, failure!.blamedRank], ['corruptFrame', 1]);
      assert.deepEqual(rig.ranks[0]!.state.wait(0, 0), {
        code: 'corruptFrame',
        message: failure!.message,
        blamedRank: 1,
      });
    }
  });

  for (const algorithm of ['GatherSum', 'SplitSum'] as const)
    it(`names the rank that sends nothing and the bucket that waits for it (${algorithm})`, () => {
      const rig = rigLanes(planOf(4, [64, 640], { algorithm }), { timeoutMs: 1000 });
      for (const rank of [0, 1, 3]) for (const id of [1, 0]) rig.ranks[rank]!.submit(id);
      deliverAll(rig);
      assert.deepEqual(
        rig.ranks[0]!.lane.stats().waitingFor.map(({ bucket, ranks }) => ({ bucket, ranks })),
        [
          { bucket: 0, ranks: [2] },
          { bucket: 1, ranks: [2] },
        ],
      );
      rig.clock.now = 999;
      rig.ranks[0]!.lane.checkTimeout();
      assert.equal(rig.ranks[0]!.failure, undefined);
      rig.clock.now = 1000;
      rig.ranks[0]!.lane.checkTimeout();
      const { failure } = rig.ranks[0]!;
      assert.deepEqual([failure?.code, failure?.blamedRank], ['exchangeTimeout', 2]);
      assert.match(
        failure!.message,
        /^rank 2 sent nothing for bucket 0 \(layer 0\) in step 0 since the start within 1 s/,
      );
    });

  it('lets a peer leave that owes nothing, and not one that does', () => {
    const rig = rigLanes(planOf(2, [64]));
    for (const rank of rig.ranks) rank.submit(0);
    deliverAll(rig);
    rig.ranks[0]!.lane.left(1);
    assert.ok(!rig.ranks[0]!.lane.failed);
    rig.ranks[0]!.submit(0);
    const { failure } = rig.ranks[0]!;
    assert.deepEqual([failure?.code, failure?.blamedRank], ['peerLost', 1]);
  });

  it('fails at once when a peer is lost, and tells only the first failure', () => {
    const rig = rigLanes(planOf(3, [64]));
    rig.ranks[0]!.lane.lost(2, 'connection dropped');
    rig.ranks[0]!.lane.lost(1, 'connection dropped');
    assert.equal(rig.ranks[0]!.failure?.message, 'rank 2 is gone: connection dropped');
  });
});
