import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type RankProcess, startRanks } from '../../test/bench/ranks.ts';
import { referenceSum } from '../../test/bench/reference.ts';
import { mergeConstants } from './calibrate.ts';
import { planBuckets } from './schedule/buckets.ts';
import type { AlgorithmSetting } from './schedule/choose.ts';
import { planExchange } from './schedule/plan.ts';
import type { ExchangePlan } from './schedule/types.ts';

const steps = 6;
const sizes = [7, 150, 6, 3001, 40_003, 1, 512];
const constants = { alphaSeconds: 1e-4, betaSecondsPerByte: 4e-9, gammaSecondsPerByte: 1e-10, overheadSeconds: 2e-5 };

function planOf(
  worldSize: number,
  settings: { order: ExchangePlan['order']; algorithm: AlgorithmSetting; chunkBytes: number },
): ExchangePlan {
  const variables = sizes.map((elements, index) => ({ index, layer: index >> 1, elements }));
  return planExchange({ buckets: planBuckets(variables, { bucketBytes: 4096 }), worldSize, constants, ...settings });
}

/** sha256 over the right sums of all steps, in the order in which ranks take them. */
function referenceDigest(plan: ExchangePlan): string {
  const digest = createHash('sha256');
  for (let step = 0; step < steps; step++)
    for (const { id, elements } of plan.buckets) digest.update(referenceSum(plan.worldSize, step, id, elements));
  return digest.digest('hex');
}

describe('exchange between processes', () => {
  let ranks: RankProcess[] = [];
  afterEach(async () => {
    await Promise.all(ranks.splice(0).map((rank) => rank.end()));
  });

  for (const { world, lanes } of [
    { world: 2, lanes: 1 },
    { world: 4, lanes: 2 },
  ])
    it(`gives all of ${world} ranks the right bits for every order, algorithm and chunk size, over ${lanes} lane(s), and lets them end`, async () => {
      ranks = await startRanks({ world, lanes });
      for (const order of ['Priority', 'Fifo'] as const)
        for (const algorithm of ['GatherSum', 'SplitSum', 'Auto'] as const)
          for (const chunkBytes of [4096, 65_536]) {
            const plan = planOf(world, { order, algorithm, chunkBytes });
            const summed = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'steps', plan, steps }, 'summed')));
            assert.deepEqual(
              summed.map((s) => s.digest),
              ranks.map(() => referenceDigest(plan)),
              JSON.stringify({ order, algorithm, chunkBytes }),
            );
          }
      const { stats } = await ranks[0]!.ask({ kind: 'stats' }, 'stats');
      assert.ok(stats.bytesByCollective['gather-sum'] > 0 && stats.bytesByCollective['split-sum'] > 0);
      assert.deepEqual([stats.fencedFrames, stats.waitingFor], [0, []]);
      const exits = ranks.map(({ child }) => once(child, 'exit'));
      await Promise.all(ranks.map((rank) => rank.ask({ kind: 'close' }, 'closed')));
      assert.deepEqual(
        await Promise.all(exits),
        ranks.map(() => [0, null]),
      );
    });

  it('measures constants on every rank', async () => {
    ranks = await startRanks({ world: 3, lanes: 1 });
    const answers = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'calibrate' }, 'constants')));
    for (const { constants: c } of answers) {
      assert.ok(c.alphaSeconds > 0 && c.alphaSeconds < 1 && c.overheadSeconds > 0 && c.overheadSeconds < 0.1);
      assert.ok(c.betaSecondsPerByte > 1e-12 && c.betaSecondsPerByte < 1e-5);
    }
    assert.ok(mergeConstants(answers.map((a) => a.constants)).gammaSecondsPerByte > 0);
  });

  it('tells the survivors within 2 s whom they lost, also while they wait for a sum', async () => {
    ranks = await startRanks({ world: 4, lanes: 1 });
    const plan = planOf(4, { order: 'Priority', algorithm: 'Auto', chunkBytes: 4096 });
    const waiting = [0, 1].map((rank) => ranks[rank]!);
    for (const rank of waiting) rank.tell({ kind: 'steps', plan, steps });
    const killed = performance.now();
    ranks[3]!.child.kill('SIGKILL');
    const failures = await Promise.all([0, 1, 2].map((rank) => ranks[rank]!.hear('failed')));
    assert.ok(performance.now() - killed < 2000);
    for (const { code, blamedRank, message } of failures) {
      assert.deepEqual([code, blamedRank], ['peerLost', 3]);
      assert.match(message, /^rank 3 is gone: /);
    }
  });

  it('names the rank that takes no part once the time is up', async () => {
    ranks = await startRanks({ world: 4, lanes: 1, timeoutMs: 300 });
    const plan = planOf(4, { order: 'Priority', algorithm: 'SplitSum', chunkBytes: 4096 });
    for (const rank of [0, 1, 3]) ranks[rank]!.tell({ kind: 'steps', plan, steps });
    const failures = await Promise.all([0, 1, 3].map((rank) => ranks[rank]!.hear('failed')));
    for (const { code, blamedRank } of failures) assert.deepEqual([code, blamedRank], ['exchangeTimeout', 2]);
  });
});
