import assert from 'node:assert/strict';
import type { Exchange } from '../../worker/communication/exchange.ts';
import { buildTraining } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';
import { plain } from '../../worker/compute/small-programs.ts';
import type { Engine } from '../../worker/engine/engine.ts';
import { fetching } from '../../worker/engine/fetching.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { Timeline, timelineLines } from './timeline.ts';

describe('Timeline', () => {
  it('says how long a bucket took to leave, until its sum was brought, and how early that was', () => {
    const now = { ms: 0 };
    const passes = (ms: number) => void (now.ms += ms);
    const memory = [0, 1].map(() => ({ outgoing: new Float32Array(1 << 18), sum: new Float32Array(1 << 18) }));
    const engine = { sendAll: () => [1], bring: () => isVacant.now, settle: () => true } as unknown as Engine;
    const isVacant = { now: true };
    const exchange = {
      outgoing: (bucket: number) => memory[bucket]!.outgoing,
      sum: (bucket: number) => memory[bucket]!.sum,
      submit: () => {},
    } as unknown as Exchange;
    const timeline = new Timeline(engine, exchange, 2, () => now.ms);
    const round = (bucket: number, expected: number, isLate: boolean) => {
      timeline.engine.sendAll([], exchange.outgoing(bucket));
      passes(3);
      timeline.exchange.submit(bucket);
      if (isLate) timeline.engine.settle(expected);
      passes(2);
      isVacant.now = false;
      timeline.engine.bring(expected, exchange.sum(bucket));
      isVacant.now = true;
      passes(2);
      timeline.engine.bring(expected, exchange.sum(bucket));
      passes(5);
      if (!isLate) timeline.engine.settle(expected);
    };
    round(0, 1, false);
    timeline.start();
    for (const expected of [2, 3, 4]) round(0, expected, false);
    round(1, 5, true);
    timeline.stop();
    round(1, 6, false);
    const times = timeline.result();
    const common = { bytes: 1 << 20, outMilliseconds: 3, backMilliseconds: 4 };
    assert.deepEqual(times, [
      { bucket: 0, ...common, earlyMilliseconds: 5 },
      { bucket: 1, ...common, earlyMilliseconds: -4 },
    ]);
    assert.deepEqual(timelineLines(times).slice(1), [
      '       0    1.00 MiB    3.00 ms    4.00 ms    5.00 ms',
      '       1    1.00 MiB    3.00 ms    4.00 ms   -4.00 ms late',
    ]);
  });

  it('knows every bucket of a training on an engine that is far from the host, and none on one that is near', async () => {
    for (const isFar of [true, false]) {
      const near = await openEngine('wasm');
      const engine = isFar ? fetching(near) : near;
      const training = await buildTraining({
        program: plain,
        parameters: {},
        batchSize: 8,
        seed: 7,
        recycling: true,
        engine,
      });
      const { buckets } = training;
      const timeline = new Timeline(engine, loopback(buckets), buckets.length, () => performance.now());
      timeline.start();
      await runTraining({
        training: { ...training, request: { ...training.request, engine: timeline.engine } },
        exchange: timeline.exchange,
        state: training.initial,
        rank: 0,
        worldSize: 1,
        steps: 5,
        checkpointEverySteps: 5,
        clock: () => performance.now(),
        post: () => {},
        stopAfter: () => undefined,
      });
      const times = timeline.result();
      assert.deepEqual(
        times.map(({ bucket, bytes }) => [bucket, bytes]),
        isFar ? buckets.map(({ id, elements }) => [id, 4 * elements]) : [],
      );
      assert.ok(times.every(({ outMilliseconds, backMilliseconds }) => outMilliseconds >= 0 && backMilliseconds >= 0));
    }
  });
});
