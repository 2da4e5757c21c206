import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Lanes, startLanes } from '../../worker/communication/lanes.ts';
import { type ExchangeInputs, planExchange } from '../../worker/communication/schedule/plan.ts';
import type { LinkConstants } from '../../worker/communication/schedule/types.ts';
import type { OptimizerSettings } from '../../worker/program/define.ts';
import type { FromRank, RankManner, ToRank } from './exactness-rank.ts';

const steps = 20;
const globalBatchSize = 32;
const worldSize = 4;
/** By rank. */
const manners: readonly RankManner[] = ['near', 'fetching', 'lagging', 'lagging'];

/** Constants with which Auto takes gather-sum for the small buckets of the program and split-sum for the large. */
const constants: LinkConstants = {
  alphaSeconds: 100e-6,
  betaSecondsPerByte: 5e-9,
  gammaSecondsPerByte: 1e-10,
  overheadSeconds: 10e-6,
};

interface Setting {
  algorithm: ExchangeInputs['algorithm'];
  bucketBytes: number;
  mostBytes?: number;
  order?: ExchangeInputs['order'];
  chunkBytes?: number;
  /** Milliseconds by which rank r's n-th gradient leaves late, over and over. */
  lateMs?: (rank: number) => number[];
  /** In place of the program's own. */
  optimizer?: OptimizerSettings;
}

/** Ranks as threads of this process, with real lanes between them. */
class Ranks {
  readonly #threads: readonly Worker[];
  readonly #lanes: readonly Lanes[];

  static async start(size: number, host: string): Promise<Ranks> {
    const lanes = await Promise.all(
      Array.from({ length: size }, (_, rank) =>
        startLanes({
          host,
          port: 0,
          lanes: 1,
          rank,
          worldSize: size,
          fence: { jobUid: 'exactness', attempt: 1, incarnation: '' },
          timeoutMs: 60_000,
          connectTimeoutMs: 20_000,
        }),
      ),
    );
    const peers = lanes.map(({ ports }) => ({ host, lanePorts: [...ports] }));
    await Promise.all(lanes.map((l) => l.connect(peers)));
    return new Ranks(lanes);
  }

  private constructor(lanes: readonly Lanes[]) {
    this.#lanes = lanes;
    this.#threads = lanes.map(() => new Worker(new URL('exactness-rank.ts', import.meta.url)));
  }

  /** Trains from the start; returns every rank's weights, and which collectives carried the gradients. */
  async train(setting: Setting) {
    const {
      algorithm,
      bucketBytes,
      mostBytes,
      order = 'Priority',
      chunkBytes,
      lateMs = () => [0],
      optimizer,
    } = setting;
    const size = this.#lanes.length;
    const planned = await Promise.all(
      this.#threads.map((thread, rank) => {
        const manner = manners[rank % manners.length]!;
        const limits = { bucketBytes, mostBytes };
        return ask(thread, { kind: 'plan', globalBatchSize, worldSize: size, ...limits, optimizer, manner });
      }),
    );
    const buckets = planned[0]?.kind === 'planned' ? planned[0].buckets : [];
    const extra = chunkBytes === undefined ? {} : { chunkBytes };
    const plan = planExchange({ buckets, worldSize: size, constants, order, algorithm, ...extra });
    const exchanges = await Promise.all(this.#lanes.map((l) => l.open(plan)));
    const trained = await Promise.all(
      this.#threads.map((thread, rank) =>
        ask(thread, { kind: 'train', exchange: exchanges[rank]!, steps, lateMs: lateMs(rank) }, exchanges[rank]!.ports),
      ),
    );
    const weights = trained.map((t) => (t.kind === 'trained' ? t.tensors : []));
    return { weights, buckets: buckets.length, collectives: new Set(plan.buckets.map(({ collective }) => collective)) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lanes) => lanes.close()));
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

async function ask(thread: Worker, message: ToRank, transfer: readonly MessagePortLike[] = []): Promise<FromRank> {
  thread.postMessage(message, [...transfer]);
  const [answer] = (await once(thread, 'message')) as [FromRank];
  return answer;
}
type MessagePortLike = Extract<ToRank, { kind: 'train' }>['exchange']['ports'][number];

type Weights = readonly { name: string; data: Float32Array }[];

function digest(weights: Weights): string {
  const hash = createHash('sha256');
  for (const { name, data } of weights) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

describe('weights after 20 steps on 4 ranks', function () {
  this.timeout(120_000);
  let ranks: Ranks;
  let reference: string;
  let weights: Weights;

  before(async () => {
    ranks = await Ranks.start(worldSize, '127.0.8.1');
    const first = await ranks.train({ algorithm: 'GatherSum', bucketBytes: 16 << 10 });
    assert.deepEqual(first.collectives, new Set(['gather-sum']));
    weights = first.weights[0]!;
    reference = digest(weights);
    assert.deepEqual(first.weights.map(digest), Array(worldSize).fill(reference));
  });
  after(async () => await ranks.close());

  const exact = async (setting: Setting) => {
    const trained = await ranks.train(setting);
    assert.deepEqual(trained.weights.map(digest), Array(worldSize).fill(reference));
    return trained;
  };

  it('are the same bits when every gradient is split, summed and gathered', async () => {
    const { collectives } = await exact({ algorithm: 'SplitSum', bucketBytes: 16 << 10 });
    assert.deepEqual(collectives, new Set(['split-sum']));
  });

  it('are the same bits when each bucket takes the collective that suits its size', async () => {
    const { collectives } = await exact({ algorithm: 'Auto', bucketBytes: 1 });
    assert.deepEqual(collectives, new Set(['gather-sum', 'split-sum']));
  });

  it('are the same bits with one bucket for all gradients, in small chunks', async () => {
    const { buckets } = await exact({ algorithm: 'SplitSum', bucketBytes: 64 << 20, chunkBytes: 4096 });
    assert.equal(buckets, 1);
  });

  it('are the same bits with a bucket a tensor, sent in order of readiness', async () => {
    const { buckets } = await exact({ algorithm: 'GatherSum', bucketBytes: 1, order: 'Fifo' });
    assert.ok(buckets >= 6, `${buckets} buckets`);
  });

  it('are the same bits when every large tensor is divided over several buckets', async () => {
    const lateMs = (rank: number) => [0, 0, rank % 2, 0, 0];
    const { buckets } = await exact({ algorithm: 'Auto', bucketBytes: 16 << 10, mostBytes: 1024, lateMs });
    assert.ok(buckets >= 30, `${buckets} buckets`);
  });

  it('are the same bits when gradients arrive in ever other orders', async () => {
    const lateMs = (rank: number) => Array.from({ length: 7 + rank }, (_, n) => (n * 5 + rank * 3) % 8);
    await exact({ algorithm: 'Auto', bucketBytes: 1, lateMs });
  });

  it('are those of one process that trains on the whole batch, up to rounding', async () => {
    // Plain momentum: Adam divides by the size of a gradient, so that the rounding of one that is nearly 0 becomes a full
    // step, which then decides another maximum in a pool (with it: 6e-7 after 5 steps, 1e-2 after 20).
    const setting: Setting = {
      algorithm: 'Auto',
      bucketBytes: 16 << 10,
      optimizer: { kind: 'momentum', learningRate: 0.05, momentum: 0.9 },
    };
    const [shared] = (await ranks.train(setting)).weights;
    const alone = await Ranks.start(1, '127.0.8.2');
    const [whole] = (await alone.train(setting)).weights;
    await alone.close();
    // float32 sums of other groupings differ in the last place of a step.
    const tolerance = 1e-6;
    for (const [i, { name, data }] of whole!.entries()) {
      const ours = shared![i]!.data;
      const worst = data.reduce((max, value, k) => Math.max(max, Math.abs(value - ours[k]!)), 0);
      assert.ok(worst <= tolerance, `${name} differs by ${worst}`);
    }
    assert.ok(weights.some(({ data }) => data.some((value) => value !== 0)));
  });
});
