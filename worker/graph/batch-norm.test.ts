import assert from 'node:assert/strict';
import type { Engine } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import { generator } from '../engine/random.ts';
import { type Tensor, type Tf, tf } from '../engine/tf.ts';
import type { TrainingProgram } from '../program/define.ts';
import { captureForward, captureTraining } from './capture.ts';
import type { Graph } from './graph.ts';
import { runGraph } from './run-graph.ts';

const batchSize = 6;
const epsilon = 1e-2;
const momentum = 0.75;

const program = (model: TrainingProgram['model']): TrainingProgram => ({
  model,
  loss: (t, y, prediction) => t.mean(t.mul(prediction, y)),
  optimizer: () => ({ kind: 'sgd', learningRate: 0.1 }),
  data: () => [],
});

const normalized = program((t) =>
  t.sequential({ layers: [t.layers.batchNormalization({ inputShape: [3, 2, 5], epsilon, momentum })] }),
);

/** A layer that is used twice, on what a convolution made. */
const twice = program((t) => {
  const input = t.input({ shape: [4, 4, 2] });
  const shared = t.layers.batchNormalization({ epsilon, momentum });
  const first = shared.apply(t.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }).apply(input));
  const second = shared.apply(t.layers.activation({ activation: 'tanh' }).apply(first));
  return t.model({ inputs: input, outputs: second as never });
});

/** The same between rectifiers. */
const rectified = program((t) =>
  t.sequential({
    layers: [
      t.layers.conv2d({ inputShape: [4, 4, 2], filters: 3, kernelSize: 3, padding: 'same' }),
      t.layers.batchNormalization({ epsilon, momentum }),
      t.layers.reLU(),
      t.layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same' }),
      t.layers.batchNormalization({ epsilon, momentum }),
      t.layers.reLU(),
    ],
  }),
);

/** Two blocks with shortcuts, as residual networks have them. */
const residual = program((t) => {
  const input = t.input({ shape: [4, 4, 3] });
  const convolved = (x: typeof input) =>
    t.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', useBias: false }).apply(x) as typeof input;
  const block = (x: typeof input) => {
    const own = t.layers.batchNormalization({ epsilon, momentum }).apply(convolved(x)) as typeof input;
    return t.layers.reLU().apply(t.layers.add().apply([own, x])) as typeof input;
  };
  return t.model({ inputs: input, outputs: block(block(convolved(input))) });
});

const request = (subject: TrainingProgram) => ({ program: subject, parameters: {}, batchSize, seed: 5 });

function numbers(length: number, seed: number): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length }, () => 3 * random() - 1);
}

function feedsOf(graph: Graph, seed: number): Record<string, Float32Array> {
  return Object.fromEntries(
    graph.feeds.map(({ name, value }, at) => [name, numbers(graph.values[value]!.bytes / 4, seed + at)]),
  );
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  const scale = Math.max(...Array.from(expected, Math.abs));
  for (let i = 0; i < actual.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!) / scale;
    assert.ok(off <= tolerance, `${what}[${i}] is ${actual[i]} where ${expected[i]} is right`);
  }
}

const kernels = ({ nodes }: Graph) => nodes.map(({ kernel }) => kernel).filter((kernel) => kernel.startsWith('Batch'));

describe('batch normalisation in training', () => {
  it('is one kernel forward and one backward', async () => {
    const { graph } = await captureTraining(request(normalized));
    assert.deepEqual(kernels(graph), ['BatchNormTraining', 'BatchNormTrainingGrad']);
    const forward = await captureForward({ ...request(normalized), variables: graph.variables });
    assert.deepEqual(
      forward.nodes.map(({ kernel }) => kernel),
      ['FusedBatchNorm'],
    );
  });

  it('moves the statistics as tf.layers does, and has the gradients of its tape', async () => {
    const { graph } = await captureTraining(request(normalized));
    const start: Record<string, Float32Array> = {
      gamma: numbers(5, 1),
      beta: numbers(5, 2),
      moving_mean: numbers(5, 3),
      moving_variance: numbers(5, 4).map(Math.abs),
    };
    const tail = (name: string) => name.split('/').at(-1);
    const variables = graph.variables.map(({ name }) => start[tail(name)]!);
    const feeds = feedsOf(graph, 9);
    const { loss: stockLoss, tensors } = await stockStep(start, feeds);
    for (const name of ['wasm', 'cpu'] as const) {
      const { loss, contributions } = runGraph(await openEngine(name), graph, { variables, feeds });
      near([loss!], [stockLoss], 1e-5, `${name}: loss`);
      for (const variable of graph.variables) {
        near(contributions[variable.index]!, tensors[tail(variable.name)]!, 2e-5, `${name}: ${variable.name}`);
      }
    }
  });

  it('takes the ReLU behind it along, forward and backward', async () => {
    const { graph } = await captureTraining(request(rectified));
    assert.equal(graph.nodes.filter(({ kernel }) => kernel.startsWith('Relu')).length, 0);
    assert.equal(kernels(graph).length, 4);
  });

  it('takes the shortcut along that is added before the ReLU, whose gradient takes both paths', async () => {
    const { graph } = await captureTraining(request(residual));
    const names = graph.nodes.map(({ kernel }) => kernel);
    assert.equal(names.filter((kernel) => kernel === 'Add' || kernel === 'Relu').length, 0);
    const shared = graph.nodes.filter(({ kernel, inputs }) => kernel === 'ReluGrad' && inputs['dy2'] !== undefined);
    assert.deepEqual([names.filter((kernel) => kernel === 'ReluGrad').length, shared.length], [2, 1]);
    assert.equal(names.filter((kernel) => kernel === 'AddN').length, 1, 'of what the first convolution made');
  });

  for (const [what, subject] of Object.entries({ 'also where a layer is used twice': twice, rectified, residual }))
    it(`has the gradients of finite differences, ${what}`, async () => {
      const engine = await openEngine('wasm');
      const { graph, initial } = await captureTraining(request(subject));
      const feeds = feedsOf(graph, 3);
      const lossAt = (variables: Float32Array[]) => runGraph(engine, graph, { variables, feeds }).loss!;
      const { contributions } = runGraph(engine, graph, { variables: initial, feeds });
      for (const { index, name, kind } of graph.variables) {
        if (kind === 'averaged') continue;
        const gradient = contributions[index] as Float32Array;
        const squared = gradient.reduce((sum, g) => sum + g * g, 0);
        if (name.endsWith('bias')) {
          assert.ok(squared < 1e-8, 'a constant before the normalisation changes nothing');
          continue;
        }
        // A long step would cross kinks of a rectifier.
        const h = (subject === rectified || subject === residual ? 2e-3 : 2e-2) / Math.sqrt(squared);
        const moved = (sign: number) =>
          initial.map((values, at) => (at === index ? values.map((v, i) => v + sign * h * gradient[i]!) : values));
        const difference = (lossAt(moved(1)) - lossAt(moved(-1))) / (2 * h);
        assert.ok(
          Math.abs(difference / squared - 1) < (subject === rectified || subject === residual ? 0.02 : 0.01),
          `${name}: ${difference} for ${squared}`,
        );
      }
      assert.equal(engine.liveBytes(), 0);
    });

  it('keeps its variance for numbers far from zero', async () => {
    const engine: Engine = await openEngine('wasm');
    const x = Float32Array.from({ length: 4096 }, (_, i) => 10_000 + (i % 2));
    const [handle, one, zero] = [
      engine.upload(x, [4096, 1], 'float32'),
      engine.upload(Float32Array.of(1), [1], 'float32'),
      engine.upload(Float32Array.of(0), [1], 'float32'),
    ];
    const inputs = { x: handle, gamma: one, beta: zero, movingMean: zero, movingVariance: one };
    const node = { id: 0, kernel: 'BatchNormTraining', inputs: {}, outputs: [], layer: 1, role: 'forward' } as const;
    const made = engine.run({ ...node, attrs: { epsilon: 0, momentum: 0.5 } }, inputs);
    const [, mean, variance, movedMean, movedVariance] = made.map((output) => engine.read(output)[0]!);
    assert.deepEqual([mean, variance, movedMean, movedVariance], [10_000.5, 0.25, 5000.25, 0.625]);
    for (const each of [...made, handle, one, zero]) engine.free(each);
    assert.equal(engine.liveBytes(), 0);
  });
});

/** Loss, gradients and new moving statistics by tf.layers and TensorFlow.js's tape, in plain JavaScript. */
async function stockStep(start: Record<string, Float32Array>, feeds: Record<string, Float32Array>) {
  await tf.setBackend('cpu');
  const model = normalized.model(tf, {});
  const weights = model.weights as unknown as { originalName: string; val: ReturnType<Tf['variable']> }[];
  const named = Object.fromEntries(weights.map(({ originalName, val }) => [originalName.split('/').at(-1), val]));
  for (const [name, values] of Object.entries(start)) named[name]!.assign(tf.tensor(values));
  const shape = [batchSize, 3, 2, 5];
  const { value, grads } = tf.variableGrads(() => {
    const prediction = model.apply(tf.tensor(feeds['x']!, shape), { training: true }) as Tensor;
    return tf.mean(tf.mul(prediction, tf.tensor(feeds['y']!, shape)));
  }, [named['gamma']!, named['beta']!]);
  const data = (tensor: Tensor) => tensor.dataSync() as Float32Array;
  const tensors: Record<string, Float32Array> = {
    gamma: data(grads[named['gamma']!.name]!),
    beta: data(grads[named['beta']!.name]!),
    moving_mean: data(named['moving_mean']!),
    moving_variance: data(named['moving_variance']!),
  };
  return { loss: data(value)[0]!, tensors };
}
