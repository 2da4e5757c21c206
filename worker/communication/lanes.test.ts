import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ExchangeError, type SharedExchange } from './exchange.ts';
import { type Lanes, type LanesOptions, startLanes } from './lanes.ts';
import { planBuckets } from './schedule/buckets.ts';
import { planExchange } from './schedule/plan.ts';
import type { ExchangePlan } from './schedule/types.ts';

const constants = { alphaSeconds: 1e-4, betaSecondsPerByte: 1e-9, gammaSecondsPerByte: 1e-10, overheadSeconds: 1e-5 };
const fence = { jobUid: 'job', attempt: 1, incarnation: 'a' };
const base: LanesOptions = {
  host: '127.0.0.1',
  port: 0,
  lanes: 1,
  rank: 0,
  worldSize: 1,
  fence,
  timeoutMs: 20_000,
  connectTimeoutMs: 10_000,
};

function planOf(worldSize: number): ExchangePlan {
  const buckets = planBuckets([{ index: 0, layer: 0, elements: 100 }], { bucketBytes: 1 << 20 });
  return planExchange({ buckets, worldSize, constants, order: 'Priority', algorithm: 'Auto' });
}

async function startPair(options: Partial<LanesOptions>[] = [{}, {}]): Promise<Lanes[]> {
  const pair = await Promise.all(options.map((o, rank) => startLanes({ ...base, worldSize: 2, rank, ...o })));
  const peers = pair.map(({ ports }) => ({ host: '127.0.0.1', lanePorts: ports }));
  await Promise.all(pair.map((lanes) => lanes.connect(peers)));
  return pair;
}

/** What a compute thread does with its exchange: waits for the sum of bucket 0 and says what came of it. */
const waiting = `
      try {
        exchange.await(0);
        parentPort.postMessage([...new Set(exchange.sum(0))]);
      } catch ({ code, message, blamedRank }) {
        parentPort.postMessage({ code, message, blamedRank });
      }`;

/** The same without blocking: the sum, and whether it was said to be there before it was awaited and after. */
const asking = `
      while (!exchange.arrived(0));
      const sums = [...new Set(exchange.sum(0))];
      exchange.await(0);
      parentPort.postMessage([...sums, exchange.arrived(0)]);`;

/** Gives up on a sum that does not come, again and again, and then waits for what the test does. */
const impatient = `
      const seconds = [1, 2, 3].map(() => exchange.await(0, 5));
      parentPort.postMessage([seconds.every((each) => each > 0.003 && each < 5), exchange.arrived(0)]);
      while (!exchange.arrived(0)) {
        try {
          exchange.await(0, 5);
        } catch ({ code }) {
          parentPort.postMessage(code);
          break;
        }
      }
      if (exchange.arrived(0)) {
        const isThereStill = exchange.await(0, 5) < 1 && exchange.arrived(0);
        exchange.await(0);
        parentPort.postMessage([isThereStill, exchange.arrived(0), ...new Set(exchange.sum(0))]);
      }`;

/** A compute thread that hands in bucket 0 and then does `rest`. */
function compute(shared: SharedExchange, rest: string): Worker {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ openExchange }) => {
      const exchange = openExchange(workerData.shared);
      exchange.outgoing(0).fill(1 + workerData.shared.rank);
      if (exchange.arrived(0)) throw new Error('nothing was submitted');
      exchange.submit(0);
      parentPort.postMessage('submitted');
      ${rest}
    });`;
  const workerData = { shared, module: new URL('./open.ts', import.meta.url).href };
  return new Worker(code, { eval: true, workerData, transferList: [...shared.ports] });
}

async function next(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, 'message')) as unknown[];
  return message;
}

describe('startLanes', () => {
  const started: Lanes[] = [];
  const workers: Worker[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((lanes) => lanes.close()));
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  });

  it('sums between compute threads', async () => {
    const pair = await startPair();
    started.push(...pair);
    const threads = (await Promise.all(pair.map((lanes) => lanes.open(planOf(2))))).map((shared) =>
      compute(shared, waiting),
    );
    workers.push(...threads);
    await Promise.all(threads.map(next));
    assert.deepEqual(await Promise.all(threads.map(next)), [[3], [3]]);
  });

  it('tells without blocking when a sum is there, until it has been awaited', async () => {
    const pair = await startPair();
    started.push(...pair);
    const shared = await Promise.all(pair.map((lanes) => lanes.open(planOf(2))));
    const threads = shared.map((each) => compute(each, asking));
    workers.push(...threads);
    await Promise.all(threads.map(next));
    assert.deepEqual(await Promise.all(threads.map(next)), [
      [3, false],
      [3, false],
    ]);
  });

  it('waits no longer than patience lasts, does not take that for an answer, and says what broke', async () => {
    const pair = await startPair();
    started.push(...pair);
    const [own, other] = await Promise.all(pair.map((lanes) => lanes.open(planOf(2))));
    const thread = compute(own!, impatient);
    workers.push(thread);
    assert.equal(await next(thread), 'submitted');
    assert.deepEqual(await next(thread), [true, false]);
    const sum = next(thread);
    workers.push(compute(other!, waiting));
    assert.deepEqual(await sum, [true, false, 3]);

    const again = await startPair();
    started.push(...again);
    const [shared] = await Promise.all(again.map((lanes) => lanes.open(planOf(2))));
    const failing = compute(shared!, impatient);
    workers.push(failing);
    assert.equal(await next(failing), 'submitted');
    assert.deepEqual(await next(failing), [true, false]);
    const told = next(failing);
    again[0]!.abort(new ExchangeError('peerLost', 'rank 1 is gone'));
    assert.equal(await told, 'peerLost');
  });

  it('uses as many lanes as the rank with the fewest has', async () => {
    const pair = await startPair([{ lanes: 2 }, { lanes: 1 }]);
    started.push(...pair);
    const shared = await Promise.all(pair.map((lanes) => lanes.open(planOf(2))));
    assert.deepEqual(
      shared.map(({ ports }) => ports.length),
      [1, 1],
    );
    const threads = shared.map((each) => compute(each, waiting));
    workers.push(...threads);
    await Promise.all(threads.map(next));
    assert.deepEqual(await Promise.all(threads.map(next)), [[3], [3]]);
  });

  it('wakes a compute thread that waits when the exchange is aborted, and tells the listener once', async () => {
    const pair = await startPair();
    started.push(...pair);
    const [shared] = await Promise.all(pair.map((lanes) => lanes.open(planOf(2))));
    const thread = compute(shared!, waiting);
    workers.push(thread);
    assert.equal(await next(thread), 'submitted');
    const heard: ExchangeError[] = [];
    pair[0]!.onFailure((error) => heard.push(error));
    const woken = next(thread);
    const error = new ExchangeError('peerLost', 'rank 1 reported an error in its program', { blamedRank: 1 });
    pair[0]!.abort(error);
    pair[0]!.abort(new ExchangeError('fenced', 'later'));
    assert.deepEqual(await woken, { code: 'peerLost', message: error.message, blamedRank: 1 });
    assert.deepEqual(heard, [error]);
    await assert.rejects(pair[0]!.open(planOf(2)), error);
  });

  it('names the missing rank and the bucket to compute when a sum does not come in time', async () => {
    const pair = await startPair([{ timeoutMs: 100 }, {}]);
    started.push(...pair);
    const [shared] = await Promise.all(pair.map((lanes) => lanes.open(planOf(2))));
    const thread = compute(shared!, waiting);
    workers.push(thread);
    assert.equal(await next(thread), 'submitted');
    const failure = (await next(thread)) as ExchangeError;
    assert.deepEqual([failure.code, failure.blamedRank], ['exchangeTimeout', 1]);
    assert.match(failure.message, /^rank 1 sent nothing for bucket 0 /);
    assert.equal((await pair[0]!.stats()).waitingFor.length, 1);
  });

  it('refuses a port that is in use, by name', async () => {
    const first = await startLanes(base);
    started.push(first);
    const port = first.ports[0]! - 1;
    await assert.rejects(startLanes({ ...base, port }), {
      code: 'portInUse',
      message: new RegExp(`127.0.0.1:${port + 1} `),
    });
  });

  it('refuses a peer of another attempt', async () => {
    const pair = [{}, { fence: { ...fence, attempt: 2 } }].map((o, rank) =>
      startLanes({ ...base, worldSize: 2, rank, connectTimeoutMs: 300, ...o }),
    );
    started.push(...(await Promise.all(pair)));
    const peers = started.map(({ ports }) => ({ host: '127.0.0.1', lanePorts: ports }));
    await assert.rejects(started[0]!.connect(peers), { code: 'peerLost', blamedRank: 1, message: /another attempt/ });
  });

  it('refuses a plan whose chunks the transport cannot carry', async () => {
    const lanes = await startLanes(base);
    started.push(lanes);
    await assert.rejects(lanes.open({ ...planOf(1), chunkBytes: 2 << 20 }), /at most 1 MiB/);
  });
});
