import assert from 'node:assert/strict';
import type { Exchange } from './communication/exchange.ts';
import { type SumTree, sumTree } from './communication/schedule/tree.ts';
import { feedsOf } from './compute/batch.ts';
import { buildTraining, type Training } from './compute/build.ts';
import { openLedger } from './compute/open-ledger.ts';
import { readNow } from './compute/readers.ts';
import { plain } from './compute/small-programs.ts';
import { Weights } from './compute/weights.ts';
import { type Engine, EngineError } from './engine/engine.ts';
import { fetching } from './engine/fetching.ts';
import { openEngine } from './engine/open.ts';
import type { Batch } from './program/define.ts';
import { type StepContext, trainStep } from './train-step.ts';
import { Transit } from './transit.ts';

const globalBatch = 32;
const steps = 20;
const near = () => openEngine('wasm');

interface Rank {
  training: Training;
  context: StepContext;
  weights: Weights;
  batches: Iterator<Batch>;
}

/** Ranks of one group in one thread, their contributions added in the one fixed order. */
async function openGroup(worldSize: number, open: () => Promise<Engine>): Promise<Rank[]> {
  const batchSize = globalBatch / worldSize;
  const outgoing: Float32Array[][] = [];
  const group: Rank[] = [];
  for (let rank = 0; rank < worldSize; rank++) {
    const engine = await open();
    const training = await buildTraining({
      program: plain,
      parameters: {},
      batchSize,
      seed: 7,
      recycling: true,
      engine,
    });
    const { graph, buckets, optimizer, initial } = training;
    outgoing.push(buckets.map(({ elements }) => new Float32Array(elements)));
    const exchange: Exchange = {
      outgoing: (bucket) => outgoing[rank]![bucket]!,
      submit: () => {},
      await: () => 0,
      arrived: () => false,
      sum: (bucket) => added(sumTree(worldSize), (of) => outgoing[of]![bucket]!),
    };
    const weights = new Weights(engine, graph.variables, optimizer, worldSize, initial);
    const ledger = openLedger(engine, graph, weights);
    const made = plain.data({ parameters: {}, rank, worldSize, batchSize, seed: 7, startStep: 0 }) as Iterable<Batch>;
    const reader = readNow(engine);
    const transit = new Transit(engine, exchange, () => performance.now());
    const context = { graph, engine, transit, ledger, optimizer: weights, reader, seed: 7, rank };
    group.push({ training, context, weights, batches: made[Symbol.iterator]() });
  }
  return group;
}

function added(tree: SumTree, of: (rank: number) => Float32Array): Float32Array {
  if (typeof tree === 'number') return of(tree);
  const [left, right] = [added(tree[0], of), added(tree[1], of)];
  return left.map((value, at) => value + right[at]!);
}

/** Weights after some steps, by rank. */
async function train(worldSize: number, open = near): Promise<number[][]> {
  const group = await openGroup(worldSize, open);
  for (let step = 0; step < steps; step++) {
    for (const { training, context, batches } of group) {
      const feeds = feedsOf(context.graph, batches.next().value as Batch, `step ${step}`);
      trainStep(training.plan.first, context, feeds, step);
    }
    for (const { training, context } of group) trainStep(training.plan.drain, context, [], step + 1);
  }
  for (const { context } of group) assert.equal(context.ledger.deviation, undefined);
  return group.map(({ weights }) => weights.save(steps).tensors.flatMap(({ data }) => [...data]));
}

describe('trainStep', () => {
  it('says at which event of the plan an engine failed', async () => {
    const [{ training, context, batches }] = (await openGroup(1, near)) as [Awaited<ReturnType<typeof openGroup>>[0]];
    const feeds = feedsOf(context.graph, batches.next().value as Batch, 'step 0');
    const engine = Object.create(context.engine, {
      run: {
        value: () => {
          throw new EngineError('outOfMemory', 'no memory left');
        },
      },
    }) as Engine;
    const failing = () => trainStep(training.plan.first, { ...context, engine }, feeds, 0);
    assert.throws(failing, {
      code: 'outOfMemory',
      message: /^no memory left \(at \w+ → \[[\d, ]+\] \(layer \d+, forward\), event \d+ of \d+ of a step, with /,
    });
  });

  it('brings four ranks to the same bits, and within 1e-5 of one process that trains on the whole batch', async () => {
    const [first, ...others] = await train(4);
    for (const other of others) assert.deepEqual(other, first);
    const [alone] = await train(1);
    const initial = (await openGroup(1, near))[0]!.training.initial.tensors.flatMap(({ data }) => [...data]);
    const distance = (a: number[], b: number[]) => Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
    assert.ok(distance(first!, alone!) < 1e-5, `they differ by ${distance(first!, alone!)}`);
    assert.ok(distance(first!, initial) > 0.1, 'nothing was trained');
  });

  it('comes to the same bits, in the bytes planned, on an engine that fetches its sums', async () => {
    const far = async () => fetching(await near());
    const expected = await train(2);
    assert.deepEqual(await train(2, far), expected);
  });
});
