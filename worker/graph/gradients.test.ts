import assert from 'node:assert/strict';
import { shapeBackends } from '../engine/capture-backend.ts';
import { openEngine } from '../engine/open.ts';
import { generator } from '../engine/random.ts';
import { type Tensor, type Tf, tf } from '../engine/tf.ts';
import type { LossFunction, LossName, TrainingProgram } from '../program/define.ts';
import { captureTraining } from './capture.ts';
import type { Graph } from './graph.ts';
import { stockLoss } from './loss.ts';
import { runGraph } from './run-graph.ts';

type Model = TrainingProgram['model'];

const program = (model: Model, loss: LossName | LossFunction): TrainingProgram => ({
  model,
  loss,
  optimizer: () => ({ kind: 'sgd', learningRate: 0.1 }),
  data: () => [],
});

const batchSize = 4;

/** Models that together use every gradient of the built-in programs, and what users commonly add. */
const cases: Record<string, TrainingProgram> = {
  'a small CNN with pooling and two dense layers': program(
    (t) =>
      t.sequential({
        layers: [
          t.layers.conv2d({ inputShape: [8, 8, 1], filters: 3, kernelSize: 3, padding: 'same', activation: 'relu' }),
          t.layers.maxPooling2d({ poolSize: 2 }),
          t.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }),
          t.layers.flatten(),
          t.layers.dense({ units: 6, activation: 'relu' }),
          t.layers.dense({ units: 5 }),
        ],
      }),
    'sparseSoftmaxCrossEntropy',
  ),
  'a small VGG closing with softmax on one-hot labels': program(
    (t) =>
      t.sequential({
        layers: [
          t.layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }),
          t.layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }),
          t.layers.maxPooling2d({ poolSize: 2 }),
          t.layers.conv2d({ filters: 6, kernelSize: 3, strides: 2, padding: 'same' }),
          t.layers.flatten(),
          t.layers.dense({ units: 5, activation: 'softmax' }),
        ],
      }),
    'softmaxCrossEntropy',
  ),
  'batch norm, average pooling and sigmoid': program(
    (t) =>
      t.sequential({
        layers: [
          t.layers.conv2d({ inputShape: [7, 7, 2], filters: 3, kernelSize: 3, padding: 'same', useBias: false }),
          t.layers.batchNormalization(),
          t.layers.activation({ activation: 'relu' }),
          t.layers.averagePooling2d({ poolSize: 3, strides: 2 }),
          t.layers.globalAveragePooling2d({}),
          t.layers.dense({ units: 4, activation: 'sigmoid' }),
        ],
      }),
    'sigmoidCrossEntropy',
  ),
  'a residual sum, a concatenation and tanh': program((t) => {
    const input = t.input({ shape: [6] });
    const first = t.layers.dense({ units: 6, activation: 'tanh' }).apply(input);
    const sum = t.layers.add().apply([input, first] as never);
    const both = t.layers.concatenate().apply([sum, first] as never);
    return t.model({ inputs: input, outputs: t.layers.dense({ units: 2 }).apply(both) as never });
  }, 'meanSquaredError'),
  'an embedding with layer normalisation': program(
    (t) =>
      t.sequential({
        layers: [
          t.layers.embedding({ inputDim: 5, outputDim: 3, inputLength: 4 }),
          t.layers.layerNormalization(),
          t.layers.flatten(),
          t.layers.dense({ units: 3 }),
        ],
      }),
    'sparseSoftmaxCrossEntropy',
  ),
  'depthwise and strided convolutions': program(
    (t) =>
      t.sequential({
        layers: [
          t.layers.separableConv2d({
            inputShape: [7, 7, 2],
            filters: 3,
            kernelSize: 3,
            padding: 'same',
            activation: 'elu',
          }),
          t.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same' }),
          t.layers.flatten(),
          t.layers.dense({ units: 3 }),
        ],
      }),
    'sparseSoftmaxCrossEntropy',
  ),
  'a product over an axis that is put back': program((t) => {
    const input = t.input({ shape: [6] });
    const side = () => t.layers.dense({ units: 4, activation: 'softplus' }).apply(input);
    const dot = t.layers.dot({ axes: 1 }).apply([side(), side()] as never);
    return t.model({ inputs: input, outputs: dot as never });
  }, 'meanSquaredError'),
  'a loss of the program itself and a shared layer': program(
    (t) => {
      const input = t.input({ shape: [5] });
      const shared = t.layers.dense({ units: 5, activation: 'relu' });
      const twice = shared.apply(shared.apply(input)) as never;
      return t.model({ inputs: input, outputs: twice });
    },
    (t, y, prediction) => t.mean(t.abs(t.sub(prediction, y))),
  ),
};

function batchFor(graph: Graph, name: string, random: () => number): Record<string, Float32Array | Int32Array> {
  const feeds: Record<string, Float32Array | Int32Array> = {};
  for (const feed of graph.feeds) {
    const { shape, dtype } = graph.values[feed.value]!;
    const length = shape.reduce((a, b) => a * b, 1);
    const indices = name.startsWith('an embedding') && feed.name === 'x';
    const draw = () => (indices || dtype === 'int32' ? Math.floor(random() * 3) : random() * 2 - 1);
    feeds[feed.name] = dtype === 'int32' ? Int32Array.from({ length }, draw) : Float32Array.from({ length }, draw);
  }
  const y = feeds['y']!;
  const target = graph.values[graph.feeds.at(-1)!.value]!;
  if (name.includes('one-hot')) y.fill(0).forEach((_, at) => (y[at] = at % 3 === at % target.shape[1]! ? 1 : 0));
  return feeds;
}

/** Loss and gradients by TensorFlow.js's own tape on its plain JavaScript backend. */
async function stockGradients(
  subject: TrainingProgram,
  graph: Graph,
  initial: Float32Array[],
  feeds: Record<string, Float32Array | Int32Array>,
) {
  await tf.setBackend('cpu');
  const model = subject.model(tf, {});
  const weights = new Map<string, Float32Array>(
    graph.variables.map((variable) => [variable.name, initial[variable.index]!]),
  );
  const variables = model.trainableWeights.map(
    (weight) => (weight as unknown as { val: ReturnType<Tf['variable']> }).val,
  );
  const names = graph.variables.filter(({ kind }) => kind === 'trained').map(({ name }) => name);
  assert.equal(names.length, variables.length);
  const ordered = variables.map(
    (variable) =>
      names.find(
        (name) =>
          sameTail(name, variable.name) &&
          weights.get(name)!.length === variable.size &&
          !used.has(name) &&
          used.add(name),
      )!,
  );
  used.clear();
  variables.forEach((variable, at) => variable.assign(tf.tensor(weights.get(ordered[at]!)!, variable.shape)));
  const x = tf.tensor(feeds['x']!, graph.values[graph.feeds[0]!.value]!.shape as number[]);
  const target = graph.values[graph.feeds.at(-1)!.value]!;
  const y = tf.tensor(feeds['y']!, target.shape as number[], target.dtype);
  const closing = model.layers.at(-1) as { activation?: { getClassName(): string } };
  const result = tf.variableGrads(() => {
    const prediction = model.apply(x, { training: true }) as Tensor;
    const logits =
      closing.activation?.getClassName() === 'softmax'
        ? tf.log(prediction)
        : closing.activation?.getClassName() === 'sigmoid'
          ? tf.log(tf.div(prediction, tf.sub(1, prediction)))
          : prediction;
    return stockLoss(subject.loss, y, prediction, logits) as never;
  }, variables);
  const gradients = new Map(
    variables.map((variable, at) => [ordered[at]!, result.grads[variable.name]!.dataSync().slice() as Float32Array]),
  );
  return { loss: result.value.dataSync()[0]!, gradients };
}

const used = new Set<string>();
const sameTail = (a: string, b: string) => a.split('/').at(-1) === b.split('/').at(-1).replace(/_\d+$/, '');

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, scale] = [0, 1e-3];
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return worst / scale;
}

describe('gradients of captured programs', () => {
  for (const [name, subject] of Object.entries(cases)) {
    it(`are those of TensorFlow.js's tape for ${name}`, async () => {
      await shapeBackends();
      const { graph, initial } = await captureTraining({ program: subject, parameters: {}, batchSize, seed: 7 });
      const feeds = batchFor(graph, name, generator(11));
      const stock = await stockGradients(subject, graph, initial, feeds);
      for (const engineName of ['wasm', 'cpu'] as const) {
        const engine = await openEngine(engineName);
        const run = runGraph(engine, graph, { variables: initial, feeds });
        assert.ok(
          Math.abs(run.loss! - stock.loss) < 1e-4 * Math.max(1, Math.abs(stock.loss)),
          `${engineName}: loss ${run.loss} for ${stock.loss}`,
        );
        for (const { name: variable, index, kind } of graph.variables) {
          if (kind !== 'trained') continue;
          const off = distance(run.contributions[index]!, stock.gradients.get(variable)!);
          assert.ok(off < 1e-4, `${engineName}: gradient of ${variable} is off by ${off}`);
        }
        assert.equal(engine.liveBytes(), 0, `${engineName} holds buffers after the step`);
      }
    });
  }
});
