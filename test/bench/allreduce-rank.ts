/**
 * One rank of an exchange in a process of its own, told what to do by its parent over IPC. Its main thread takes the part of the compute
 * thread: it blocks while it waits for sums.
 */
import { createHash } from 'node:crypto';
import { type Exchange, ExchangeError } from '../../worker/communication/exchange.ts';
import { type Lanes, startLanes } from '../../worker/communication/lanes.ts';
import { openExchange } from '../../worker/communication/open.ts';
import type { ExchangePlan } from '../../worker/communication/schedule/types.ts';
import { contribute } from './contribution.ts';
import type { FromRank, RankOptions, ToRank } from './rank-messages.ts';

const options = JSON.parse(process.argv[2]!) as RankOptions;
const post = (message: FromRank) => process.send!(message);

try {
  const lanes = await startLanes(options);
  lanes.onFailure(({ code, message, blamedRank }) => post({ kind: 'failed', code, message, blamedRank }));
  process.on('message', (order: ToRank) => {
    obey(lanes, order).then(post, (error: unknown) => post(failure(error)));
  });
  post({ kind: 'listening', ports: [...lanes.ports] });
} catch (error) {
  post(failure(error));
  process.exitCode = 1;
}

async function obey(lanes: Lanes, order: ToRank): Promise<FromRank> {
  switch (order.kind) {
    case 'connect':
      await lanes.connect(order.peers);
      return { kind: 'connected' };
    case 'calibrate':
      return { kind: 'constants', constants: await lanes.calibrate() };
    case 'steps':
      return steps(openExchange(await lanes.open(order.plan)), order.plan, order.steps);
    case 'time':
      return time(openExchange(await lanes.open(order.plan)), order.repeats);
    case 'stats':
      return { kind: 'stats', stats: await lanes.stats() };
    case 'close':
      await lanes.close();
      setImmediate(() => process.disconnect());
      return { kind: 'closed' };
    default:
      return assertNever(order);
  }
}

/** Steps as in training: sums are taken from the lowest bucket on, contributions handed in from the highest down, no barrier between. */
function steps(exchange: Exchange, plan: ExchangePlan, count: number): FromRank {
  const digest = createHash('sha256');
  for (let step = 0; step <= count; step++) {
    for (const { id } of plan.buckets) {
      if (step === 0) break;
      exchange.await(id);
      digest.update(exchange.sum(id));
    }
    for (const { id } of plan.buckets.toReversed()) {
      if (step === count) break;
      contribute(exchange.outgoing(id), options.rank, step, id);
      exchange.submit(id);
    }
  }
  return { kind: 'summed', digest: digest.digest('hex') };
}

/** Bucket 0 is a barrier, bucket 1 is timed. The first call warms up and is checked by the parent. */
function time(exchange: Exchange, repeats: number): FromRank {
  contribute(exchange.outgoing(1), options.rank, 0, 1);
  exchange.submit(1);
  exchange.await(1);
  const digest = createHash('sha256').update(exchange.sum(1)).digest('hex');
  const seconds: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < repeats; i++) {
    exchange.submit(0);
    exchange.await(0);
    const start = performance.now();
    exchange.submit(1);
    exchange.await(1);
    seconds.push((performance.now() - start) / 1000);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { kind: 'timed', digest, seconds, cpuSeconds: (user + system) / 1e6 };
}

function failure(error: unknown): FromRank {
  if (!(error instanceof ExchangeError)) throw error;
  return { kind: 'failed', code: error.code, message: error.message, blamedRank: error.blamedRank };
}

function assertNever(value: never): never {
  throw new Error(`unknown order ${String(value)}`);
}
