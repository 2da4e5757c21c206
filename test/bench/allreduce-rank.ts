/** One rank of an exchange in a process of its own. Its main thread takes the part of the compute thread: it blocks while it waits for sums. */
import { createHash } from 'node:crypto';
import type { Exchange } from '../../worker/communication/exchange.ts';
import { openExchange } from '../../worker/communication/open.ts';
import type { ExchangePlan } from '../../worker/communication/schedule/types.ts';
import { contribute } from './contribution.ts';
import { runRank } from './rank-main.ts';
import type { FromRank } from './rank-messages.ts';

await runRank(async (order, lanes, { rank }) => {
  switch (order.kind) {
    case 'steps':
      return steps(openExchange(await lanes.open(order.plan)), order.plan, order.steps, rank);
    case 'time':
      return time(openExchange(await lanes.open(order.plan)), order.repeats, rank);
    case 'stats':
      return { kind: 'stats', stats: await lanes.stats() };
    case 'build':
    case 'train':
    default:
      throw new Error(`a rank of an exchange does not ${order.kind}`);
  }
});

/** Steps as in training: sums are taken from the lowest bucket on, contributions handed in from the highest down, no barrier between. */
function steps(exchange: Exchange, plan: ExchangePlan, count: number, rank: number): FromRank {
  const digest = createHash('sha256');
  for (let step = 0; step <= count; step++) {
    for (const { id } of plan.buckets) {
      if (step === 0) break;
      exchange.await(id);
      digest.update(exchange.sum(id));
    }
    for (const { id } of plan.buckets.toReversed()) {
      if (step === count) break;
      contribute(exchange.outgoing(id), rank, step, id);
      exchange.submit(id);
    }
  }
  return { kind: 'summed', digest: digest.digest('hex') };
}

/** Bucket 0 is a barrier, bucket 1 is timed. The first call warms up and is checked by the parent. */
function time(exchange: Exchange, repeats: number, rank: number): FromRank {
  contribute(exchange.outgoing(1), rank, 0, 1);
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
