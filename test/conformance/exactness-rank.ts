import { parentPort } from 'node:worker_threads';
import type { SharedExchange } from '../../worker/communication/exchange.ts';
import { openExchange } from '../../worker/communication/open.ts';
import { planBuckets } from '../../worker/communication/schedule/buckets.ts';
import type { Bucket } from '../../worker/communication/schedule/types.ts';
import { buildTraining, nodeBytes, type Training } from '../../worker/compute/build.ts';
import { runTraining } from '../../worker/compute/run.ts';
import type { Engine } from '../../worker/engine/engine.ts';
import { fetching } from '../../worker/engine/fetching.ts';
import { Lagging } from '../../worker/engine/lagging.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { slotNamesOf } from '../../worker/engine/optimizer.ts';
import { generator } from '../../worker/engine/random.ts';
import { planStep } from '../../worker/memory/plan.ts';
import type { OptimizerSettings } from '../../worker/program/define.ts';
import { loadProgram } from '../../worker/program/load.ts';
import { parseParameters } from '../../worker/program/parameters.ts';

/** The rank's engine computes at once, the same but fetches its sums, or has a device that lags behind and waits by itself. */
export type RankManner = 'near' | 'fetching' | 'lagging';

/** What the exactness suite asks of a rank: plan with buckets of a size, then train over an exchange. */
export type ToRank =
  | {
      kind: 'plan';
      globalBatchSize: number;
      worldSize: number;
      bucketBytes: number;
      mostBytes: number | undefined;
      optimizer: OptimizerSettings | undefined;
      manner: RankManner;
    }
  | { kind: 'train'; exchange: SharedExchange; steps: number; lateMs: readonly number[] };

export type FromRank =
  | { kind: 'planned'; buckets: readonly Bucket[] }
  | { kind: 'trained'; tensors: readonly { name: string; data: Float32Array }[] };

let training: Training | undefined;

async function plan(request: Extract<ToRank, { kind: 'plan' }>): Promise<FromRank> {
  const { globalBatchSize, worldSize, bucketBytes, mostBytes, optimizer, manner } = request;
  training?.request.engine.dispose();
  const own = await loadProgram({ builtin: 'mnist' }, import.meta.dirname);
  const program = optimizer === undefined ? own : { ...own, optimizer: () => optimizer };
  const engine = await open(manner);
  const made = await buildTraining({
    program,
    parameters: parseParameters(program, {}),
    batchSize: globalBatchSize / worldSize,
    seed: 42,
    recycling: true,
    engine,
  });
  const { graph, initial } = made;
  const elements = new Map(initial.tensors.map(({ name, data }) => [name, data.length]));
  const sizes = graph.variables.map(({ index, layer, name }) => ({ index, layer, elements: elements.get(name) ?? 0 }));
  const buckets = planBuckets(sizes, { bucketBytes, ...(mostBytes !== undefined && { mostBytes }) });
  const optimizerSlots = slotNamesOf(made.optimizer.kind).length;
  const steps = planStep({
    graph,
    nodeBytes: nodeBytes(engine, graph),
    buckets,
    optimizerSlots,
    fetches: engine.fetches,
    recycling: true,
  });
  training = { ...made, buckets, plan: steps };
  return { kind: 'planned', buckets };
}

async function open(manner: RankManner): Promise<Engine> {
  const near = await openEngine('wasm');
  switch (manner) {
    case 'near':
      return near;
    case 'fetching':
      return fetching(near);
    case 'lagging':
      return new Lagging(near, () => (training as Training).graph, generator(1)).engine;
    default:
      throw new TypeError(`unknown manner ${String(manner satisfies never)}`);
  }
}

async function train({ exchange, steps, lateMs }: Extract<ToRank, { kind: 'train' }>): Promise<FromRank> {
  if (training === undefined) throw new Error('train comes after plan');
  const { rank } = exchange;
  const shared = openExchange(exchange);
  let submits = 0;
  const { state } = await runTraining({
    training,
    // Gradients leave late, by another time at every submit: arrival at the others is in any order.
    exchange: {
      ...shared,
      submit: (bucket) => {
        const until = performance.now() + (lateMs[(submits += 1) % lateMs.length] ?? 0);
        while (performance.now() < until);
        shared.submit(bucket);
      },
    },
    state: training.initial,
    rank,
    worldSize: exchange.plan.worldSize,
    steps,
    checkpointEverySteps: 7,
    clock: () => performance.now(),
    post: () => {},
    stopAfter: () => undefined,
  });
  return { kind: 'trained', tensors: state.tensors.map(({ name, data }) => ({ name, data })) };
}

const port = parentPort;
port?.on('message', (message: ToRank) => {
  const answer = message.kind === 'plan' ? plan(message) : train(message);
  answer.then(
    (done) => port.postMessage(done),
    (error: unknown) =>
      queueMicrotask(() => {
        throw error;
      }),
  );
});
