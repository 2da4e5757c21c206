import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Engine, ImageFormat } from '../engine/engine.ts';
import { layingOut } from '../engine/laying-out.ts';
import { openEngine } from '../engine/open.ts';
import { generator } from '../engine/random.ts';
import type { Tf } from '../engine/tf.ts';
import type { LossFunction, LossName, TrainingProgram } from '../program/define.ts';
import { type BuiltinName, loadBuiltin } from '../program/load.ts';
import { parseParameters } from '../program/parameters.ts';
import { captureForward, captureTraining } from './capture.ts';
import { fromStored, storedShape, toStored } from './format.ts';
import { type Graph, inputsOf, rootOf, type ValueId } from './graph.ts';
import { layOut } from './layout.ts';
import { runGraph } from './run-graph.ts';

type Layer = ReturnType<Tf['layers']['conv2d']>;
type Node = ReturnType<Tf['input']>;

const program = (
  model: TrainingProgram['model'],
  loss: LossName | LossFunction = 'sparseSoftmaxCrossEntropy',
): TrainingProgram => ({ model, loss, optimizer: () => ({ kind: 'sgd', learningRate: 0.1 }), data: () => [] });

/** A model of one input [8, 9, 3]; what `body` returns is flattened and classified. */
const pictures = (body: (tf: Tf, x: Node) => Node, loss?: LossName) =>
  program((tf) => {
    const input = tf.input({ shape: [8, 9, 3] });
    const flat = tf.layers.flatten().apply(body(tf, input));
    return tf.model({ inputs: input, outputs: tf.layers.dense({ units: 5 }).apply(flat) as Node });
  }, loss);

const conv = (tf: Tf, filters: number, more: Partial<Parameters<Tf['layers']['conv2d']>[0]> = {}): Layer =>
  tf.layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...more });
const through = (layers: readonly { apply(x: Node): unknown }[], x: Node) =>
  layers.reduce((y, layer) => layer.apply(y) as Node, x);

const small: Record<string, TrainingProgram> = {
  'ReLU, overlapping pooling, strides and paddings': pictures((tf, x) =>
    through(
      [
        conv(tf, 4, { activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
        conv(tf, 6, { kernelSize: [2, 3], strides: [1, 2], padding: 'valid', activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2, strides: 1 }),
      ],
      x,
    ),
  ),
  'other activations, a dropout and a residual sum': pictures((tf, x) => {
    const first = through([conv(tf, 4), tf.layers.leakyReLU(), tf.layers.dropout({ rate: 0.3 })], x);
    const second = through([conv(tf, 4, { activation: 'tanh' }), conv(tf, 4, { activation: 'elu' })], first);
    const sum = tf.layers.add().apply([first, second]) as Node;
    return through([tf.layers.reLU(), conv(tf, 2, { activation: 'sigmoid' })], sum);
  }),
  'batch normalisation and average pooling': pictures((tf, x) =>
    through(
      [
        conv(tf, 4, { useBias: false }),
        tf.layers.batchNormalization(),
        tf.layers.reLU(),
        tf.layers.averagePooling2d({ poolSize: 2 }),
        conv(tf, 3),
        tf.layers.globalAveragePooling2d({}),
        tf.layers.reshape({ targetShape: [3, 1] }),
      ],
      x,
    ),
  ),
  'a filter that is used twice': pictures((tf, x) => {
    const shared = conv(tf, 3, { activation: 'relu' });
    return through([shared, shared], x);
  }),
  'filters that are regularised': pictures((tf, x) =>
    through(
      [
        conv(tf, 4, { kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) }),
        conv(tf, 3, { kernelRegularizer: tf.regularizers.l1({ l1: 0.1 }) }),
      ],
      x,
    ),
  ),
  'a concatenation and a depthwise convolution': pictures((tf, x) => {
    const [left, right] = [conv(tf, 2).apply(x), conv(tf, 3, { activation: 'relu' }).apply(x)] as [Node, Node];
    const both = tf.layers.concatenate().apply([left, right]) as Node;
    return through([tf.layers.depthwiseConv2d({ kernelSize: 3 }), conv(tf, 2)], both);
  }),
  'a frozen filter': pictures((tf, x) => through([conv(tf, 3, { trainable: false }), conv(tf, 2)], x)),
  'a picture as its prediction': program((tf) => {
    const input = tf.input({ shape: [8, 9, 3] });
    const made = through([conv(tf, 4, { activation: 'relu' }), conv(tf, 3)], input);
    return tf.model({ inputs: input, outputs: made });
  }, 'meanSquaredError'),
  'a convolution along one axis': program((tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv1d({ inputShape: [9, 3], filters: 4, kernelSize: 3, activation: 'relu' }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 5 }),
      ],
    }),
  ),
};

type Step = (tf: Tf, x: Node) => Node;

/** One or two layers of a chain. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({
      filters: fc.integer({ min: 1, max: 4 }),
      kernelSize: fc.integer({ min: 1, max: 3 }),
      strides: fc.constantFrom(1, 2),
      useBias: fc.boolean(),
      activation: fc.constantFrom('linear' as const, 'tanh' as const, 'elu' as const),
    })
    .map(
      (settings): Step =>
        (tf, x) =>
          through([conv(tf, 1, settings)], x),
    ),
  fc.record({ poolSize: fc.integer({ min: 1, max: 3 }), strides: fc.constantFrom(1, 2) }).map(
    (settings): Step =>
      (tf, x) =>
        through([tf.layers.maxPooling2d({ ...settings, padding: 'same' })], x),
  ),
  fc.constantFrom<Step>(
    (tf, x) => through([tf.layers.batchNormalization()], x),
    (tf, x) => through([tf.layers.activation({ activation: 'tanh' })], x),
    (tf, x) => through([tf.layers.averagePooling2d({ poolSize: 2, strides: 1, padding: 'same' })], x),
    (tf, x) => through([tf.layers.permute({ dims: [2, 1, 3] })], x),
    (tf, x) => tf.layers.add().apply([x, conv(tf, x.shape.at(-1) as number).apply(x) as Node]) as Node,
  ),
);

interface Subject {
  program: TrainingProgram;
  parameters: unknown;
}

async function builtin(name: BuiltinName, parameters: Record<string, number>): Promise<Subject> {
  const loaded = await loadBuiltin(name);
  return { program: loaded, parameters: parseParameters(loaded, parameters) };
}

const capture = (subject: Subject, batchSize = 4) => captureTraining({ ...subject, batchSize, seed: 7 });
const all = Object.entries(small).map(([name, each]) => [name, { program: each, parameters: {} }] as const);
const formats: readonly ImageFormat[] = ['NHWC', 'NCHW'];

function batchFor(graph: Graph): Record<string, Float32Array | Int32Array> {
  const random = generator(11);
  return Object.fromEntries(
    graph.feeds.map(({ name, value }) => {
      const { shape, dtype } = graph.values[value]!;
      const length = shape.reduce((a, b) => a * b, 1);
      return dtype === 'int32'
        ? [name, Int32Array.from({ length }, () => Math.floor(random() * 2))]
        : [name, Float32Array.from({ length }, () => 2 * random() - 1)];
    }),
  );
}

/** Runs a laid-out graph; weights in and contributions out are logical. */
function runStored(engine: Engine, graph: Graph, initial: readonly Float32Array[]) {
  const variables = graph.variables.map(({ index, shape, stored = 'plain' }) =>
    toStored(initial[index]!, shape, stored),
  );
  const run = runGraph(engine, graph, { variables, feeds: batchFor(graph), seed: 3 });
  const contributions = graph.variables.map(({ index, shape, stored = 'plain' }) => {
    return fromStored(run.contributions[index]!, shape, stored);
  });
  return { ...run, contributions };
}

function near(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(found.length, expected.length, what);
  let [worst, scale] = [0, 1e-3];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  assert.ok(worst <= 1e-4 * scale, `${what} is off by ${worst} of ${scale}`);
}

/** Loss and contributions of a laid-out graph are those of the plain one, and nothing stays on the engine. */
function sameNumbers(engine: Engine, graph: Graph, laid: Graph, initial: readonly Float32Array[]): void {
  const [expected, found] = [graph, laid].map((each) => runStored(engine, each, initial)) as [Run, Run];
  near([found.loss!], [expected.loss!], 'the loss');
  for (const { index, name } of graph.variables) {
    near(found.contributions[index]!, expected.contributions[index]!, `the contribution of ${name}`);
  }
  assert.equal(engine.liveBytes(), 0);
}

/** Each value is made before it is read, once, by the node that the graph numbers so; aliases point at plain roots. */
function isSound(graph: Graph): void {
  const known = new Set(
    [...graph.variables, ...graph.constants, ...graph.feeds, ...graph.draws].map(({ value }) => value),
  );
  graph.nodes.forEach((node, at) => {
    assert.equal(node.id, at);
    for (const id of inputsOf(node)) assert.ok(known.has(id), `${node.kernel} reads ${id} before it is made`);
    for (const id of node.outputs) {
      assert.ok(!known.has(id), `${id} is made twice`);
      known.add(id);
      const { aliasOf } = graph.values[id]!;
      if (aliasOf !== undefined) assert.equal(rootOf(graph, inputsOf(node)[0]!), aliasOf);
    }
  });
  graph.values.forEach((value, at) => {
    assert.equal(value.id, at);
    const elements = value.shape.reduce((a, b) => a * b, value.dtype === 'bool' ? 1 : 4);
    assert.equal(value.bytes, value.aliasOf === undefined ? elements : 0);
  });
  for (const { value, shape, stored = 'plain', contribution } of graph.variables) {
    for (const id of [value, contribution]) assert.deepEqual(graph.values[id]!.shape, storedShape(shape, stored));
  }
}

const transposes = (graph: Graph) => graph.nodes.filter(({ kernel }) => kernel === 'Transpose');

describe('layOut', () => {
  let engine: Engine;
  before(async () => {
    engine = layingOut(await openEngine('wasm'), formats);
  });

  for (const images of formats) {
    for (const [name, subject] of all) {
      it(`computes in ${images} the same loss and contributions for ${name}`, async () => {
        const { graph, initial } = await capture(subject);
        const laid = layOut(graph, images);
        isSound(laid);
        sameNumbers(engine, graph, laid, initial);
      });

      it(`predicts in ${images} what the plain graph does for ${name}, from weights as training stores them`, async () => {
        const { graph, initial } = await capture(subject);
        const laid = layOut(graph, images);
        const variables = laid.variables;
        const forward = await captureForward({ ...subject, batchSize: 3, seed: 7, variables });
        const laidForward = layOut(forward, images, ({ stored }) => stored ?? 'plain');
        isSound(laidForward);
        const logical = {
          ...forward,
          variables: forward.variables.map((each) => ({ ...each, stored: 'plain' as const })),
        };
        const [expected, found] = [logical, laidForward].map((each) => runStored(engine, each, initial)) as [Run, Run];
        near(found.outputs[0]!, expected.outputs[0]!, 'the prediction');
        for (const { name: variable, stored } of laidForward.variables) {
          assert.equal(stored, variables.find((each) => each.name === variable)?.stored);
        }
      });
    }
  }

  it('computes the same for any chain of layers', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...formats),
        async (steps, images) => {
          const chain = pictures((tf, x) => steps.reduce((y, apply) => apply(tf, y), x));
          const { graph, initial } = await capture({ program: chain, parameters: {} });
          const laid = layOut(graph, images);
          isSound(laid);
          sameNumbers(engine, graph, laid, initial);
        },
      ),
      { numRuns: 40, seed: 5 }, // always the same chains: where a maximum changes places by rounding, no bound would do
    );
  });

  it('makes convolutions say their formats, with logical shapes, and stores their filters so', async () => {
    const { graph } = await capture(await builtin('vgg16', { imageSize: 32, width: 1 / 16, classes: 3 }));
    for (const [images, filterFormat] of [
      ['NHWC', 'OHWI'],
      ['NCHW', 'OIHW'],
    ] as const) {
      const laid = layOut(graph, images);
      const pairs = graph.nodes
        .filter(({ kernel }) => kernel.includes('Conv2D'))
        .map((node) => [node, laid.nodes.find(({ outputs }) => outputs[0] === node.outputs[0])!] as const);
      assert.equal(pairs.length, 13 + 13 + 12);
      for (const [before, after] of pairs) {
        assert.deepEqual(after.attrs, { ...before.attrs, dataFormat: images, filterFormat });
      }
      assert.deepEqual(
        laid.variables.map(({ shape, stored }) => (shape.length === 4 ? filterFormat : undefined) === stored),
        laid.variables.map(() => true),
      );
    }
  });

  it('leaves a graph without convolutions as it is', async () => {
    const dense = program((tf) =>
      tf.sequential({
        layers: [
          tf.layers.maxPooling2d({ inputShape: [8, 8, 3], poolSize: 2 }),
          tf.layers.reLU(),
          tf.layers.flatten(),
          tf.layers.dense({ units: 3 }),
        ],
      }),
    );
    const { graph } = await capture({ program: dense, parameters: {} });
    for (const images of formats) assert.deepEqual(layOut(graph, images), graph);
  });

  for (const { name, size, counts } of [
    { name: 'vgg16', size: 32, counts: { NHWC: 0, NCHW: 3 } },
    { name: 'alexnet', size: 57, counts: { NHWC: 0, NCHW: 3 } },
    { name: 'resnet50', size: 32, counts: { NHWC: 0, NCHW: 205 } },
  ] as const) {
    it(`transposes ${counts.NHWC} times in NHWC and ${counts.NCHW} times in NCHW for ${name}`, async () => {
      const { graph, initial } = await capture(await builtin(name, { imageSize: size, width: 1 / 16, classes: 3 }));
      for (const images of formats) {
        const laid = layOut(graph, images);
        isSound(laid);
        assert.equal(transposes(laid).length, counts[images], images);
        if (name === 'resnet50') continue; // deep batch normalisation makes any rounding large
        sameNumbers(engine, graph, laid, initial);
      }
    });
  }

  it('transposes a value once for each format, in the role and layer of the node that needs it first', async () => {
    for (const [, subject] of all) {
      const laid = layOut((await capture(subject)).graph, 'NCHW');
      const seen = new Set<string>();
      for (const node of transposes(laid)) {
        const key = `${inputsOf(node)[0]} ${String(node.attrs['perm'])}`;
        assert.ok(!seen.has(key), key);
        seen.add(key);
        const needer = laid.nodes.slice(node.id).find((later) => inputsOf(later).includes(node.outputs[0] as ValueId));
        if (needer !== undefined) assert.deepEqual([node.role, node.layer], [needer.role, needer.layer]);
      }
    }
  });

  it('keeps a regularised filter in its format, and stores a frozen one so', async () => {
    const kernelsOf = async (name: string) => {
      const { graph } = await capture({ program: small[name]!, parameters: {} });
      return { graph, laid: layOut(graph, 'NHWC') };
    };
    const regularised = await kernelsOf('filters that are regularised');
    assert.equal(regularised.laid.variables.filter(({ stored }) => stored === 'OHWI').length, 2);
    const frozen = await kernelsOf('a frozen filter');
    assert.equal(transposes(frozen.laid).length, 0);
    const changed = frozen.laid.constants.filter(({ data }, at) => data !== frozen.graph.constants[at]!.data);
    assert.deepEqual(
      changed.map(({ value }) => frozen.laid.values[value]!.shape),
      [[3, 3, 3, 3]],
    );
  });
});

type Run = ReturnType<typeof runStored>;
