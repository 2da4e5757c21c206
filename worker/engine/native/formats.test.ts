import assert from 'node:assert/strict';
import { env } from 'node:process';
import type { Node } from '../../graph/graph.ts';
import { elementsOf } from '../device.ts';
import type { Engine } from '../engine.ts';
import { openEngine } from '../open.ts';
import { generator } from '../random.ts';
import { stagingProblem } from './staged.ts';
import { tested } from './tested.ts';

/** [n, h, w, c] to [n, c, h, w], and [h, w, in, out] to what cuDNN wants. */
const axesOf = { NHWC: [0, 1, 2, 3], NCHW: [0, 3, 1, 2], HWIO: [0, 1, 2, 3], OHWI: [3, 0, 1, 2], OIHW: [3, 2, 0, 1] };
type Order = keyof typeof axesOf;

interface Operand {
  shape: readonly number[];
  data: Float32Array;
}

const formats = [
  { dataFormat: 'NHWC', filterFormat: 'OHWI' },
  { dataFormat: 'NCHW', filterFormat: 'OIHW' },
] as const;

const windows = [
  { what: '3 × 3', size: 12, filter: 3, strides: 1, pad: 'same' },
  { what: '3 × 3, padded more behind', size: 12, filter: 3, strides: 2, pad: 'same' },
  { what: '7 × 7, padded more behind', size: 17, filter: 7, strides: 2, pad: 'same' },
  { what: '1 × 1, every other pixel', size: 12, filter: 1, strides: 2, pad: 'same' },
  { what: '5 × 5, valid', size: 13, filter: 5, strides: 1, pad: 'valid' },
  { what: '3 × 3, dilated', size: 13, filter: 3, strides: 1, pad: 'same', dilations: 2 },
] as const;

describe(`formats of pictures and filters on a GPU`, () => {
  let gpu: Engine;
  let wasm: Engine;
  const random = generator(11);
  let worst = 0;

  before(async function () {
    const problem = tested.device === 'cpu' ? 'HAYATE_TEST_DEVICE is not gpu' : stagingProblem(env, tested.device);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    gpu = await openEngine('native', tested);
    wasm = await openEngine('wasm');
  });
  after(() => {
    if (worst > 0) console.log(`      worst difference from the wasm engine: ${worst.toExponential(1)}`);
  });

  const numbers = (shape: readonly number[]): Operand => ({
    shape,
    data: Float32Array.from({ length: elementsOf(shape) }, () => random() * 2 - 1),
  });
  const expect = (mine: Float32Array, theirs: Float32Array) => {
    assert.equal(mine.length, theirs.length);
    const scale = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    const off = mine.reduce((most, value, at) => Math.max(most, Math.abs(value - theirs[at]!)), 0) / scale;
    worst = Math.max(worst, off);
    assert.ok(off <= 1e-5, `off by ${off}`);
  };
  /** What a kernel gives on wasm, and on the GPU with everything in another order. */
  const compare = (
    kernel: string,
    inputs: Readonly<Record<string, Operand & { order?: Order }>>,
    attrs: Record<string, unknown>,
    own: Record<string, unknown>,
    result: Order | undefined,
  ) => {
    const stored = Object.fromEntries(
      Object.entries(inputs).map(([name, { order, ...operand }]) => [
        name,
        order === undefined ? operand : permuted(operand, axesOf[order]),
      ]),
    );
    const [theirs] = run(wasm, kernel, inputs, attrs);
    const [mine] = run(gpu, kernel, stored, { ...attrs, ...own });
    const back = result === undefined ? mine : permuted(mine!, inverse(axesOf[result]));
    assert.deepEqual(back!.shape, theirs!.shape);
    expect(back!.data, theirs!.data);
  };

  for (const own of formats) {
    const { dataFormat, filterFormat } = own;
    for (const { what, size, filter, strides, pad, ...rest } of windows) {
      it(`convolve ${dataFormat} with ${filterFormat}, ${what}, and take both gradients`, () => {
        const attrs = { strides, pad, dataFormat: 'NHWC', dilations: 1, ...rest };
        const x = { ...numbers([3, size, size, 8]), order: dataFormat };
        const weights = { ...numbers([filter, filter, 8, 16]), order: filterFormat };
        const [y] = run(wasm, 'Conv2D', { x, filter: weights }, attrs);
        const dy = { ...numbers(y!.shape), order: dataFormat };
        compare('Conv2D', { x, filter: weights }, attrs, own, dataFormat);
        const bias = numbers([16]);
        const fused = { ...attrs, activation: 'relu' };
        compare('FusedConv2D', { x, filter: weights, bias }, fused, own, dataFormat);
        if (attrs.dilations !== 1) return; // TensorFlow.js knows no gradients of these
        const ofInput = { ...attrs, inputShape: x.shape };
        compare('Conv2DBackpropInput', { dy, filter: weights }, ofInput, own, dataFormat);
        const ofFilter = { ...attrs, filterShape: weights.shape };
        compare('Conv2DBackpropFilter', { x, dy }, ofFilter, own, filterFormat);
      });
    }

    for (const filterSize of [2, 3]) {
      it(`pool ${dataFormat} by windows of ${filterSize} × ${filterSize}, and take the gradients`, () => {
        const attrs = { filterSize, strides: 2, pad: filterSize === 2 ? 'valid' : 'same' };
        const x = { ...numbers([2, 14, 14, 5]), order: dataFormat };
        const [y] = run(wasm, 'MaxPool', { x }, attrs);
        const [output, dy] = [
          { ...y!, order: dataFormat },
          { ...numbers(y!.shape), order: dataFormat },
        ];
        compare('MaxPool', { x }, attrs, own, dataFormat);
        for (const kernel of ['MaxPoolGrad', 'MaxPoolReluGrad']) {
          compare(kernel, { dy, input: x, output }, attrs, own, dataFormat);
        }
      });
    }
  }

  it('sum a bias gradient over pictures with their channels first', () => {
    for (const shape of [
      [3, 13, 13, 7],
      [3, 12, 14, 7],
    ]) {
      const x = numbers(shape);
      const [theirs] = run(wasm, 'Sum', { x }, { axis: [0, 1, 2], keepDims: false });
      const [mine] = run(gpu, 'Sum', { x: permuted(x, axesOf.NCHW) }, { axis: [0, 2, 3], keepDims: false });
      expect(mine!.data, theirs!.data);
    }
  });

  it('know what the algorithms of a convolution take, and compute it within as much', () => {
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NCHW', filterFormat: 'OIHW' };
    const [x, filter] = [numbers([8, 64, 28, 28]), numbers([64, 64, 3, 3])];
    const node = nodeOf('Conv2D', ['x', 'filter'], attrs);
    const algorithms = gpu.algorithms(node, (id) => [x, filter][id]!);
    assert.ok(algorithms.length > 1, `${algorithms.length} algorithms`);
    assert.deepEqual(
      algorithms.map(({ milliseconds }) => milliseconds),
      algorithms.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b),
    );
    const [freely] = run(gpu, 'Conv2D', { x, filter }, attrs);
    for (const { workspaceBytes } of algorithms) {
      gpu.resetPeak();
      const [made] = run(gpu, 'Conv2D', { x, filter }, { ...attrs, workspaceBytes });
      expect(made!.data, freely!.data);
    }
  });
});

function run(
  engine: Engine,
  kernel: string,
  inputs: Readonly<Record<string, Operand>>,
  attrs: Record<string, unknown>,
) {
  const operands = Object.entries(inputs);
  const handles = operands.map(([, { shape, data }]) => engine.upload(data, shape, 'float32'));
  const named = Object.fromEntries(operands.map(([name], at) => [name, handles[at]!]));
  const outputs = engine.run(nodeOf(kernel, Object.keys(inputs), attrs), named);
  const results = outputs.map((handle): Operand => {
    return { shape: [...handle.shape], data: Float32Array.from(engine.read(handle)) };
  });
  for (const handle of [...outputs, ...handles]) engine.free(handle);
  return results;
}

function nodeOf(kernel: string, names: readonly string[], attrs: Record<string, unknown>): Node {
  const inputs = Object.fromEntries(names.map((name, at) => [name, at]));
  return { id: 0, kernel, inputs, attrs, outputs: [], layer: 1, role: 'forward' };
}

function permuted({ shape, data }: Operand, axes: readonly number[]): Operand {
  const stepOf = (axis: number) => elementsOf(shape.slice(axis + 1));
  const target = axes.map((axis) => shape[axis] as number);
  const from = (at: number) =>
    target.reduceRight(
      ({ rest, sum }, size, position) => ({
        rest: Math.floor(rest / size),
        sum: sum + (rest % size) * stepOf(axes[position] as number),
      }),
      { rest: at, sum: 0 },
    ).sum;
  return { shape: target, data: data.map((_, at) => data[from(at)] as number) };
}

function inverse(axes: readonly number[]): number[] {
  return axes.map((_, at) => axes.indexOf(at));
}
