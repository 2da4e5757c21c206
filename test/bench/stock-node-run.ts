import type { EngineSettings } from '../../worker/engine/engine.ts';
import { type Tensor, tf, type Variable } from '../../worker/engine/tf.ts';
import { regularized, stockLoss, targetOf } from '../../worker/graph/loss.ts';
import { buildModel } from '../../worker/graph/model.ts';
import type { Batch } from '../../worker/program/define.ts';
import { minimizerOf, type StockRun } from './stock-run.ts';
import { openStockBackend } from './stock-tensorflow/backend.ts';

export interface StockNodeRun extends StockRun, EngineSettings {
  warmUpSteps: number;
  /** One batch, made and brought to the device once, for all steps. */
  isBatchResident: boolean;
}

/**
 * Trains with TensorFlow.js's own tape and optimizer on its own Node backend, that is on libtensorflow. Calls return
 * before a GPU is done: `seconds` are what each step took in JavaScript, while `windowSeconds`, a step's share of all
 * counted steps, ends with one read of the last loss. `losses` of all steps are read after that.
 */
export async function runStockNode(run: StockNodeRun) {
  const { program, parameters, batchSize, seed, steps, warmUpSteps } = run;
  const backend = openStockBackend(run);
  await tf.setBackend(backend.name);
  const model = buildModel({ program, parameters, batchSize, seed });
  const minimizer = minimizerOf(program.optimizer(parameters));
  const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: Variable }).val);
  const [input, output] = [...model.inputs, ...model.outputs].map((tensor) => [batchSize, ...tensor.shape.slice(1)]);
  const target = targetOf(program.loss, output as number[]);
  const load = ({ x, y }: Batch): [Tensor, Tensor] => [
    tf.tensor(ArrayBuffer.isView(x) ? x : [], input as number[]),
    tf.tensor(y, target.shape, target.dtype),
  ];
  const batches = program.data({ parameters, rank: 0, worldSize: 1, batchSize, seed, startStep: 0 });
  const next = iteratorOf(batches);
  const resident = run.isBatchResident ? load(await next()) : undefined;
  const losses: Tensor[] = [];
  const seconds: number[] = [];
  let begun = 0;
  for (let step = 0; step < warmUpSteps + steps; step++) {
    if (step === warmUpSteps) {
      losses.at(-1)?.dataSync();
      backend.takePeakBytes();
      begun = performance.now();
    }
    const started = performance.now();
    const [x, y] = resident ?? load(await next());
    const compute = () => {
      const prediction = model.apply(x, { training: true }) as Tensor;
      return regularized(model, stockLoss(program.loss, y, prediction, prediction)) as never;
    };
    losses.push(minimizer.minimize(compute, true, variables) as Tensor);
    if (resident === undefined) tf.dispose([x, y]);
    seconds.push((performance.now() - started) / 1000);
  }
  losses.at(-1)?.dataSync();
  const windowSeconds = (performance.now() - begun) / 1000 / steps;
  const allocatorPeakBytes = backend.takePeakBytes();
  const values = losses.map((loss) => loss.dataSync()[0] as number);
  tf.dispose([losses, resident ?? []]);
  return { losses: values, seconds: seconds.slice(warmUpSteps), windowSeconds, allocatorPeakBytes };
}

function iteratorOf(batches: AsyncIterable<Batch> | Iterable<Batch>): () => Promise<Batch> {
  const iterator = Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
  return async () => {
    const result = await iterator.next();
    if (result.done === true) throw new Error('the data of the program ended');
    return result.value;
  };
}
