import assert from 'node:assert/strict';
import { drawInto } from '../engine/draw.ts';
import type { Engine } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import { generator } from '../engine/random.ts';
import type { Tensor, Tf } from '../engine/tf.ts';
import type { LossFunction, LossName, TrainingProgram } from '../program/define.ts';
import { captureForward, captureTraining } from './capture.ts';
import type { Graph } from './graph.ts';
import { GraphError } from './graph-error.ts';
import { runGraph } from './run-graph.ts';
import { stockPeakBytes } from './stock.ts';

function program(
  model: TrainingProgram['model'],
  loss: LossName | LossFunction = 'sparseSoftmaxCrossEntropy',
): TrainingProgram {
  return { model, loss, optimizer: () => ({ kind: 'adam', learningRate: 0.001 }), data: () => [] };
}

const digits = program((t) =>
  t.sequential({
    layers: [
      t.layers.conv2d({ inputShape: [12, 12, 1], filters: 6, kernelSize: 3, padding: 'same', activation: 'relu' }),
      t.layers.maxPooling2d({ poolSize: 2 }),
      t.layers.conv2d({ filters: 8, kernelSize: 3, padding: 'same', activation: 'relu' }),
      t.layers.maxPooling2d({ poolSize: 2 }),
      t.layers.flatten(),
      t.layers.dropout({ rate: 0.25 }),
      t.layers.dense({ units: 16, activation: 'relu' }),
      t.layers.dense({ units: 10, name: 'scores' }),
    ],
  }),
);

const vgg = program((t) => {
  const conv = (filters: number, first = {}) =>
    t.layers.conv2d({ ...first, filters, kernelSize: 3, padding: 'same', activation: 'relu' });
  return t.sequential({
    layers: [
      conv(8, { inputShape: [16, 16, 3] }),
      conv(8),
      t.layers.maxPooling2d({ poolSize: 2 }),
      conv(16),
      conv(16),
      t.layers.maxPooling2d({ poolSize: 2 }),
      t.layers.flatten(),
      t.layers.dense({ units: 32, activation: 'relu' }),
      t.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
}, 'softmaxCrossEntropy');

const request = (subject: TrainingProgram, seed = 5) => ({ program: subject, parameters: {}, batchSize: 8, seed });

function lambda(body: (t: Tf, x: Tensor) => Tensor): TrainingProgram {
  return program((t) => {
    class Custom extends t.layers.Layer {
      override call(inputs: Tensor | Tensor[]): Tensor {
        return body(t, Array.isArray(inputs) ? inputs[0]! : inputs);
      }
      override computeOutputShape(shape: number[]): number[] {
        return shape;
      }
      static get className(): string {
        return 'Custom';
      }
    }
    return t.sequential({
      layers: [
        t.layers.dense({ inputShape: [4], units: 4, name: 'first' }),
        new Custom({}),
        t.layers.dense({ units: 3 }),
      ],
    });
  });
}

function refuses(subject: TrainingProgram, code: GraphError['code'], ...words: RegExp[]): Promise<void> {
  return assert.rejects(captureTraining(request(subject)), (error: unknown) => {
    assert.ok(error instanceof GraphError, String(error));
    assert.equal(error.code, code);
    for (const word of words) assert.match(error.message, word);
    return true;
  });
}

function feedsOf(graph: Graph, seed: number) {
  const random = generator(seed);
  return Object.fromEntries(
    graph.feeds.map(({ name, value }) => {
      const { shape, dtype } = graph.values[value]!;
      const length = shape.reduce((a, b) => a * b, 1);
      if (name === 'y' && dtype === 'float32')
        return [name, Float32Array.from({ length }, (_, at) => Number(Math.floor(at / shape[1]!) === at % shape[1]!))];
      return [
        name,
        dtype === 'int32'
          ? Int32Array.from({ length }, () => Math.floor(random() * 3))
          : Float32Array.from({ length }, () => 4 * random() - 2),
      ];
    }),
  );
}

describe('captureTraining', () => {
  it("numbers layers in the order in which forward needs them, a layer's weights together", async () => {
    const { graph, initial } = await captureTraining(request(digits));
    assert.deepEqual(
      graph.variables.map(({ name, layer }) => `${layer} ${name}`),
      [
        '1 conv2d1/kernel',
        '1 conv2d1/bias',
        '2 conv2d2/kernel',
        '2 conv2d2/bias',
        '3 dense1/kernel',
        '3 dense1/bias',
        '4 scores/kernel',
        '4 scores/bias',
      ],
    );
    assert.equal(graph.layerCount, 4);
    for (const { index, shape } of graph.variables)
      assert.equal(
        initial[index]!.length,
        shape.reduce((a, b) => a * b, 1),
      );
  });

  it('names every value before it is read, and nothing twice', async () => {
    for (const subject of [digits, vgg]) {
      const { graph } = await captureTraining(request(subject));
      const known = new Set(
        [...graph.variables, ...graph.constants, ...graph.feeds, ...graph.draws].map(({ value }) => value),
      );
      for (const node of graph.nodes) {
        for (const id of Object.values(node.inputs).flat()) assert.ok(known.has(id), `${node.kernel} reads ${id}`);
        for (const id of node.outputs) assert.ok(!known.has(id) && known.add(id));
      }
      graph.values.forEach((value, at) => {
        assert.equal(value.id, at);
        if (value.aliasOf !== undefined) assert.equal(graph.values[value.aliasOf]!.aliasOf, undefined);
      });
    }
  });

  it("computes a layer's weight gradients before the gradient of its input, none for the batch", async () => {
    const { graph } = await captureTraining(request(digits));
    const at = (kernel: string, layer: number) =>
      graph.nodes.findIndex((node) => node.kernel === kernel && node.layer === layer);
    assert.ok(at('Conv2DBackpropFilter', 2) < at('Conv2DBackpropInput', 2));
    assert.equal(at('Conv2DBackpropInput', 1), -1);
    for (const node of graph.nodes) {
      if (node.kernel === 'Conv2DBackpropFilter') assert.equal(node.role, 'weightGradient');
      if (node.kernel === 'Conv2DBackpropInput') assert.equal(node.role, 'inputGradient');
    }
  });

  it('keeps of a convolution with bias and ReLU one output', async () => {
    const { graph } = await captureTraining(request(vgg));
    const forward = graph.nodes.filter(({ role }) => role === 'forward').map(({ kernel }) => kernel);
    assert.deepEqual(
      forward.filter((kernel) => ['Conv2D', 'Relu', 'BatchMatMul'].includes(kernel)),
      [],
    );
  });

  it('draws the same start from the same seed, another from another, and leaves Math.random alone', async () => {
    const random = Math.random;
    const [first, again, other] = [
      await captureTraining(request(digits)),
      await captureTraining(request(digits)),
      await captureTraining(request(digits, 6)),
    ];
    assert.equal(Math.random, random);
    assert.deepEqual(first, again);
    assert.notDeepEqual(first.initial[0], other.initial[0]);
    assert.deepEqual(first.graph, other.graph);
  });

  it('prints nothing while it builds and captures a model', async () => {
    const printed: unknown[] = [];
    const before = console.warn;
    console.warn = (...words: unknown[]) => printed.push(words);
    try {
      const recurrent = program((t) =>
        t.sequential({ layers: [t.layers.simpleRNN({ inputShape: [2, 3], units: 46 }), t.layers.dense({ units: 3 })] }),
      );
      await captureTraining(request(recurrent));
    } finally {
      console.warn = before;
    }
    assert.deepEqual(printed, []);
  });

  it('refuses weights with constraints, which training here would not keep', async () => {
    const constrained = program((t) =>
      t.sequential({ layers: [t.layers.dense({ inputShape: [4], units: 3, kernelConstraint: 'nonNeg' })] }),
    );
    await refuses(constrained, 'unsupported', /kernel has a constraint/);
  });

  it('adds the penalties of regularizers to the loss', async () => {
    const plain = { units: 3, inputShape: [4], kernelInitializer: 'ones' as const };
    const engine = await openEngine('wasm');
    const lossOf = async (subject: TrainingProgram) => {
      const { graph, initial } = await captureTraining(request(subject));
      return runGraph(engine, graph, { variables: initial, feeds: feedsOf(graph, 1) }).loss!;
    };
    const without = await lossOf(program((t) => t.sequential({ layers: [t.layers.dense(plain)] })));
    const penalised = await lossOf(
      program((t) =>
        t.sequential({ layers: [t.layers.dense({ ...plain, kernelRegularizer: t.regularizers.l2({ l2: 0.5 }) })] }),
      ),
    );
    assert.ok(Math.abs(penalised - without - 0.5 * 12) < 1e-5);
  });

  it('lets gradients end at comparisons', async () => {
    const { graph } = await captureTraining(request(lambda((t, x) => t.where(t.greater(x, 0), x, t.mul(x, 0.1)))));
    assert.ok(graph.variables.some(({ name }) => name === 'first/kernel'));
  });

  it('draws dropout masks anew in every step and rank, and again for the same step', async () => {
    const { graph } = await captureTraining(request(digits));
    assert.deepEqual(
      graph.draws.map(({ distribution }) => distribution),
      [{ kind: 'uniform', min: 0, max: 1 }],
    );
    const mask = (step: number, rank: number) => {
      const target = new Float32Array(64);
      drawInto(graph.draws[0]!, 0, { seed: 5, step, rank }, target);
      return target;
    };
    assert.deepEqual(mask(1, 0), mask(1, 0));
    assert.notDeepEqual(mask(1, 0), mask(2, 0));
    assert.notDeepEqual(mask(1, 0), mask(1, 1));
    assert.ok(mask(1, 0).every((value) => value >= 0 && value < 1));
  });

  it('knows normal noise by its mean and spread', async () => {
    const { graph } = await captureTraining(request(lambda((t, x) => t.add(x, t.randomNormal(x.shape, 0.5, 2)))));
    assert.deepEqual(
      graph.draws.map(({ distribution }) => distribution),
      [{ kind: 'normal', mean: 0.5, stddev: 2 }],
    );
  });

  it('averages the statistics that batch normalisation assigns', async () => {
    const { graph, initial } = await captureTraining(
      request(
        program((t) =>
          t.sequential({
            layers: [t.layers.batchNormalization({ inputShape: [4], momentum: 0.75 }), t.layers.dense({ units: 3 })],
          }),
        ),
      ),
    );
    assert.deepEqual(graph.variables.map(({ name, kind }) => `${kind} ${name.split('/')[1]}`).sort(), [
      'averaged moving_mean',
      'averaged moving_variance',
      'trained beta',
      'trained bias',
      'trained gamma',
      'trained kernel',
    ]);
    const engine = await openEngine('wasm');
    const feeds = feedsOf(graph, 1);
    const { contributions } = runGraph(engine, graph, { variables: initial, feeds });
    const mean = graph.variables.find(({ name }) => name.endsWith('moving_mean'))!;
    const x = feeds['x']!;
    const expected = [0, 1, 2, 3].map(
      (c) => 0.25 * (Array.from({ length: 8 }, (_, row) => x[row * 4 + c]!).reduce((a, b) => a + b) / 8),
    );
    contributions[mean.index]!.forEach((value, c) => assert.ok(Math.abs(value - expected[c]!) < 1e-6));
  });

  it('refuses a program that reads data, and names what it read', async () => {
    await refuses(
      lambda((t, x) => (t.sigmoid(x).dataSync()[0]! > 0 ? x : t.neg(x))),
      'dataDependent',
      /depends on data/,
      /Sigmoid/,
    );
  });

  it("refuses an op whose result's shape depends on data", async () => {
    await refuses(
      lambda((t, x) => t.add(x, t.sum(t.unique(t.reshape(x, [-1])).values))),
      'dataDependent',
      /Unique/,
    );
  });

  it('refuses an op without gradient on the way from weights to loss, naming op and layer', async () => {
    await refuses(
      lambda((t, x) => t.topk(x, 4).values),
      'noGradient',
      /TopK/,
      /layer 1, first/,
    );
  });

  it('says what failed when the model itself throws', async () => {
    await refuses(
      lambda((t, x) => t.reshape(x, [3, 3])),
      'modelFailed',
      /model failed/,
    );
  });
});

describe('captureForward', () => {
  it('predicts what the training graph would, without dropout', async () => {
    const { graph, initial } = await captureTraining(request(vgg));
    const forward = await captureForward({ ...request(vgg), batchSize: 3, variables: graph.variables });
    assert.deepEqual(
      forward.nodes.filter(({ role }) => role !== 'forward'),
      [],
    );
    const engine = await openEngine('wasm');
    const { outputs } = runGraph(engine, forward, { variables: initial, feeds: feedsOf(forward, 2) });
    const rows = [0, 1, 2].map((row) =>
      (outputs[0] as Float32Array).slice(row * 10, row * 10 + 10).reduce((a, b) => a + b),
    );
    for (const sum of rows) assert.ok(Math.abs(sum - 1) < 1e-5, 'each row of probabilities sums to 1');
    const without = await captureForward({
      ...request(digits),
      variables: (await captureTraining(request(digits))).graph.variables,
    });
    assert.deepEqual(without.draws, []);
  });
});

describe('a captured step on an engine', () => {
  for (const [name, subject] of [
    ['digits', digits],
    ['vgg', vgg],
  ] as const) {
    it(`holds while each kernel runs exactly the bytes predicted (${name})`, async () => {
      const { graph, initial } = await captureTraining(request(subject));
      const engine = await openEngine('wasm');
      const watched: Engine = Object.create(engine) as Engine;
      watched.run = (node, inputs) => {
        const before = engine.liveBytes();
        engine.resetPeak();
        const outputs = engine.run(node, inputs);
        assert.equal(
          engine.peakBytes() - before,
          engine.runBytes(node, (id) => graph.values[id]!),
          `${node.id} ${node.kernel}`,
        );
        const kept = node.outputs.reduce((sum, id) => sum + graph.values[id]!.bytes, 0);
        assert.equal(engine.liveBytes() - before, kept, `${node.id} ${node.kernel} keeps what its outputs have`);
        return outputs;
      };
      runGraph(watched, graph, { variables: initial, feeds: feedsOf(graph, 3) });
      assert.equal(engine.liveBytes(), 0);
    });

    it(`has the gradients that finite differences have (${name})`, async () => {
      const { graph, initial } = await captureTraining(request(subject));
      const engine = await openEngine('wasm');
      const feeds = feedsOf(graph, 4);
      const run = (variables: Float32Array[]) => runGraph(engine, graph, { variables, feeds });
      const { contributions } = run(initial);
      // Along the gradient itself, where float32 differences are largest: (L(w + hg) − L(w − hg)) / 2h = |g|², to 5 %:
      // ReLU and max pooling have kinks that a step of finite size crosses.
      for (const { index, name: variable } of graph.variables) {
        const gradient = contributions[index] as Float32Array;
        const squared = gradient.reduce((sum, g) => sum + g * g, 0);
        const h = 1e-3 / Math.sqrt(squared);
        const moved = (sign: number) =>
          initial.map((values, at) =>
            at === index ? values.map((value, i) => value + sign * h * gradient[i]!) : values,
          );
        const difference = (run(moved(1)).loss! - run(moved(-1)).loss!) / (2 * h);
        assert.ok(
          Math.abs(difference / squared - 1) < 0.05,
          `${variable}: ${difference} by differences, ${squared} by gradient`,
        );
      }
    });
  }
});

describe('stockPeakBytes', () => {
  it('is far above what the graph keeps, the same each time, and grows with the batch', async () => {
    const peak = await stockPeakBytes(request(vgg));
    assert.equal(await stockPeakBytes(request(vgg)), peak);
    const { graph } = await captureTraining(request(vgg));
    const everything = graph.values.reduce((sum, value) => sum + value.bytes, 0);
    assert.ok(peak > everything, `${peak} is not above ${everything}, all values of the lean graph together`);
    assert.ok((await stockPeakBytes({ ...request(vgg), batchSize: 16 })) > 1.5 * peak);
  });
});
