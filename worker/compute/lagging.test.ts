import assert from 'node:assert/strict';
import type { TrainingState } from '../checkpoint/state.ts';
import type { Exchange } from '../communication/exchange.ts';
import { planBuckets } from '../communication/schedule/buckets.ts';
import type { Engine } from '../engine/engine.ts';
import { Lagging } from '../engine/lagging.ts';
import { openEngine } from '../engine/open.ts';
import { generator } from '../engine/random.ts';
import type { Graph } from '../graph/graph.ts';
import { planStep } from '../memory/plan.ts';
import type { TrainingProgram } from '../program/define.ts';
import { buildTraining, nodeBytes, type Training } from './build.ts';
import { loopback } from './loopback.ts';
import { runTraining } from './run.ts';
import { everything, plain, rectified, wide } from './small-programs.ts';

/** Every sum arrives some time after it was submitted: when it has been asked for so often, or is waited for. */
function delayed(exchange: Exchange, random: () => number): Exchange {
  const left = new Map<number, number>();
  return {
    ...exchange,
    submit(bucket) {
      exchange.submit(bucket);
      left.set(bucket, Math.floor(random() * 40));
    },
    arrived(bucket) {
      const more = left.get(bucket) ?? 0;
      left.set(bucket, more - 1);
      return more <= 0 && exchange.arrived(bucket);
    },
    await(bucket, patienceMs) {
      if (patienceMs !== undefined) return 0;
      assert.ok(exchange.arrived(bucket) || (left.get(bucket) ?? 0) <= 0, `bucket ${bucket} was never submitted`);
      left.set(bucket, 0);
      return exchange.await(bucket);
    },
  };
}

describe('a training on a device that lags behind, and waits for sums by itself', () => {
  let wasm: Engine;
  beforeEach(async () => {
    wasm = await openEngine('wasm');
  });

  const build = (program: TrainingProgram, engine: Engine, batchSize = 8) =>
    buildTraining({ program, parameters: {}, batchSize, seed: 7, recycling: true, engine });

  /** With small buckets, so that there are many, and gradients of several. */
  const divided = (training: Training, bucketBytes: number): Training => {
    const { graph, initial, request } = training;
    const elements = new Map(initial.tensors.map(({ name, data }) => [name, data.length]));
    const sizes = graph.variables.map(({ index, layer, name }) => ({ index, layer, elements: elements.get(name)! }));
    const buckets = planBuckets(sizes, { bucketBytes, mostBytes: bucketBytes });
    const optimizerSlots = training.optimizer.kind === 'adam' ? 2 : 1;
    const common = { graph, nodeBytes: nodeBytes(request.engine, graph), buckets, optimizerSlots, recycling: true };
    return { ...training, buckets, plan: planStep({ ...common, fetches: request.engine.fetches }) };
  };

  const train = async (training: Training, exchange: Exchange, steps = 14): Promise<TrainingState> => {
    const warnings: string[] = [];
    const { state } = await runTraining({
      training,
      exchange,
      state: training.initial,
      rank: 0,
      worldSize: 1,
      steps,
      checkpointEverySteps: 9,
      clock: () => performance.now(),
      post: (message) => {
        if (message.kind === 'step' && message.warning !== undefined) warnings.push(message.warning);
      },
      stopAfter: () => undefined,
    });
    assert.deepEqual(warnings, []);
    return state;
  };

  for (const [name, program] of Object.entries({ everything, plain, rectified })) {
    it(`comes to the bits of one that does not, in the bytes planned, and waits for nobody who waits for it: ${name}`, async function () {
      this.timeout(60_000);
      let waits = 0;
      for (let seed = 1; seed <= 8; seed++) {
        const bucketBytes = [64, 256, 4096][seed % 3]!;
        const near = divided(await build(program, wasm), bucketBytes);
        const expected = await train(near, loopback(near.buckets));
        const random = generator(seed);
        const graph: { of?: Graph } = {};
        const lagging = new Lagging(wasm, () => graph.of!, random);
        const far = divided(await build(program, lagging.engine), bucketBytes);
        graph.of = far.graph;
        const found = await train(far, delayed(loopback(far.buckets), random));
        assert.deepEqual(
          found.tensors.map(({ data }) => [...data]),
          expected.tensors.map(({ data }) => [...data]),
          `seed ${seed}`,
        );
        lagging.finish();
        assert.equal(lagging.engine.liveBytes(), 0);
        assert.equal(wasm.liveBytes(), 0);
        waits += lagging.waits;
      }
      assert.ok(waits > 20, `the device waited ${waits} times`);
    });
  }

  it('comes to them too where large sums come to rooms of their own, behind sums that the device waits for', async function () {
    this.timeout(60_000);
    // WebAssembly never gives memory back, and what comes after so much of it does not find its addresses again.
    const cpu = await openEngine('cpu');
    const near = await build(wide, cpu, 1);
    const expected = await train(near, loopback(near.buckets), 6);
    const random = generator(1);
    const graph: { of?: Graph } = {};
    const lagging = new Lagging(cpu, () => graph.of!, random);
    const far = await build(wide, lagging.engine, 1);
    graph.of = far.graph;
    const rooms = far.plan.steady.events.filter((event) => event.kind === 'fetch' && event.elements > 1 << 20);
    assert.ok(rooms.length > 0, 'no large sum has a room');
    const found = await train(far, delayed(loopback(far.buckets), random), 6);
    const bytesOf = ({ tensors }: TrainingState) => Buffer.concat(tensors.map(({ data }) => Buffer.from(data.buffer)));
    assert.ok(bytesOf(expected).length > 4 * (1 << 20));
    assert.ok(bytesOf(found).equals(bytesOf(expected)));
    lagging.finish();
    assert.equal(lagging.engine.liveBytes(), 0);
    assert.ok(lagging.waits > 0);
  });
});
