import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Node } from '../../graph/graph.ts';
import type { Engine, Handle } from '../engine.ts';
import { EngineError } from '../engine.ts';
import { openEngine } from '../open.ts';
import { generator } from '../random.ts';

type Tensors = Readonly<Record<string, readonly number[]>>;
interface Call {
  kernel: string;
  attrs: Node['attrs'];
  inputs: Tensors;
}

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Numbers in [-1, 1). */
function numbers(length: number, seed: number): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length }, () => random() * 2 - 1);
}

/** Runs a kernel on float32 tensors; checks that the bytes were predicted and that nothing is left. */
function run(
  engine: Engine,
  { kernel, attrs, inputs }: Call,
  data: Readonly<Record<string, Float32Array>>,
): { values: Float32Array; shape: readonly number[] } {
  const names = Object.keys(inputs);
  const node: Node = {
    id: 0,
    kernel,
    attrs,
    inputs: Object.fromEntries(names.map((name, id) => [name, id])),
    outputs: [],
    layer: 1,
    role: 'forward',
  };
  const handles = Object.fromEntries(names.map((name) => [name, engine.upload(data[name]!, inputs[name]!, 'float32')]));
  const before = engine.liveBytes();
  engine.resetPeak();
  const [output] = engine.run(node, handles) as [Handle];
  const predicted = engine.runBytes(node, (id) => ({ shape: inputs[names[id]!]!, dtype: 'float32' }));
  assert.equal(engine.peakBytes() - before, predicted, `${kernel}: bytes`);
  const values = engine.read(output) as Float32Array;
  for (const handle of [output, ...Object.values(handles)]) engine.free(handle);
  assert.equal(engine.liveBytes(), 0);
  return { values, shape: output.shape };
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * b[at]!, 0);
}

function near(actual: number, expected: number, scale: number): void {
  assert.ok(Math.abs(actual - expected) <= 2e-5 * Math.max(1, scale), `${actual} is not ${expected}`);
}

/** ⟨forward(x), dy⟩ = ⟨x, gradient(dy)⟩ for every kernel that is linear in x. */
function adjoint(
  engine: Engine,
  forward: Call,
  over: string,
  gradient: (dy: readonly number[]) => Call,
  seed: number,
): void {
  const data = Object.fromEntries(
    Object.entries(forward.inputs).map(([name, shape], at) => [name, numbers(size(shape), seed + at)]),
  );
  const { values, shape } = run(engine, forward, data);
  const dy = numbers(values.length, seed + 7);
  const back = gradient(shape);
  const { values: dx } = run(engine, back, { ...data, dy });
  near(dot(data[over]!, dx), dot(values, dy), size(shape) ** 0.5);
}

const geometry = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  height: fc.integer({ min: 3, max: 9 }),
  width: fc.integer({ min: 3, max: 9 }),
  channels: fc.integer({ min: 1, max: 6 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pad: fc.constantFrom('same', 'valid'),
  filters: fc.integer({ min: 1, max: 5 }),
  seed: fc.integer({ min: 0, max: 1000 }),
});

describe('corrected wasm kernels', () => {
  let wasm: Engine;
  let cpu: Engine;
  before(async () => {
    wasm = await openEngine('wasm');
    cpu = await openEngine('cpu');
  });

  function sameOnBoth(call: Call, seed: number): void {
    const data = Object.fromEntries(
      Object.entries(call.inputs).map(([name, shape], at) => [name, numbers(size(shape), seed + at)]),
    );
    const [actual, expected] = [run(wasm, call, data), run(cpu, call, data)];
    assert.deepEqual(actual.shape, expected.shape);
    actual.values.forEach((value, at) => near(value, expected.values[at]!, 10));
  }

  it('differentiate a convolution for its filter and its input', () => {
    fc.assert(
      fc.property(geometry, ({ batch, height, width, channels, kernel, strides, pad, filters, seed }) => {
        const inputShape = [batch, height, width, channels];
        const filterShape = [...kernel, channels, filters];
        const attrs = { strides, pad, dataFormat: 'NHWC' };
        const forward = {
          kernel: 'Conv2D',
          attrs: { ...attrs, dilations: 1 },
          inputs: { x: inputShape, filter: filterShape },
        };
        sameOnBoth(forward, seed);
        adjoint(
          wasm,
          forward,
          'x',
          (dy) => ({
            kernel: 'Conv2DBackpropInput',
            attrs: { ...attrs, inputShape },
            inputs: { dy, filter: filterShape },
          }),
          seed,
        );
        adjoint(
          wasm,
          forward,
          'filter',
          (dy) => ({ kernel: 'Conv2DBackpropFilter', attrs: { ...attrs, filterShape }, inputs: { x: inputShape, dy } }),
          seed,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('differentiate a convolution for its filter some images at a time', () => {
    for (const [channels, edge, limit] of [
      [1, 40, 2 ** 20],
      [6, 96, 2 ** 23],
    ] as const) {
      const inputShape = [33, edge, edge, channels];
      const filterShape = [3, 3, channels, 2];
      const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC' };
      const inputs = { x: inputShape, filter: filterShape };
      const forward = { kernel: 'Conv2D', attrs: { ...attrs, dilations: 1 }, inputs };
      const gradient = (dy: readonly number[]) => ({
        kernel: 'Conv2DBackpropFilter',
        attrs: { ...attrs, filterShape },
        inputs: { x: inputShape, dy },
      });
      adjoint(wasm, forward, 'filter', gradient, 1);
      const tensors = 4 * (size(inputShape) + 33 * edge * edge * 2);
      assert.ok(wasm.peakBytes() - tensors < 1.1 * limit, `${wasm.peakBytes() - tensors} bytes of temporaries`);
    }
  });

  it('differentiate a depthwise convolution for its filter and its input', () => {
    fc.assert(
      fc.property(geometry, ({ batch, height, width, channels, kernel, strides, pad, filters, seed }) => {
        const inputShape = [batch, height, width, channels];
        const filterShape = [...kernel, channels, filters];
        const attrs = { strides, pad, dilations: 1, dimRoundingMode: undefined };
        const forward = { kernel: 'DepthwiseConv2dNative', attrs, inputs: { x: inputShape, filter: filterShape } };
        sameOnBoth(forward, seed);
        adjoint(
          wasm,
          forward,
          'x',
          (dy) => ({
            kernel: 'DepthwiseConv2dNativeBackpropInput',
            attrs: { ...attrs, inputShape },
            inputs: { dy, filter: filterShape },
          }),
          seed,
        );
        adjoint(
          wasm,
          forward,
          'filter',
          (dy) => ({
            kernel: 'DepthwiseConv2dNativeBackpropFilter',
            attrs: { ...attrs, filterShape },
            inputs: { x: inputShape, dy },
          }),
          seed,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('differentiate average pooling, also where SAME padding cuts the window', () => {
    fc.assert(
      fc.property(geometry, ({ batch, height, width, channels, kernel, strides, pad, seed }) => {
        const inputShape = [batch, height, width, channels];
        const attrs = { filterSize: kernel, strides, pad };
        for (const engine of [wasm, cpu]) {
          adjoint(
            engine,
            { kernel: 'AvgPool', attrs, inputs: { x: inputShape } },
            'x',
            (dy) => ({ kernel: 'AvgPoolGrad', attrs: { ...attrs, inputShape }, inputs: { dy } }),
            seed,
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  it('differentiate max pooling where no element of a window is positive', () => {
    fc.assert(
      fc.property(
        geometry,
        fc.constantFrom(-1.5, 0, 1.5),
        ({ batch, height, width, channels, kernel, strides, pad, seed }, shift) => {
          const inputShape = [batch, height, width, channels];
          const attrs = { filterSize: kernel, strides, pad };
          const x = numbers(size(inputShape), seed).map((value) => value + shift);
          const pooled = run(cpu, { kernel: 'MaxPool', attrs, inputs: { x: inputShape } }, { x });
          assert.deepEqual(run(wasm, { kernel: 'MaxPool', attrs, inputs: { x: inputShape } }, { x }), pooled);
          const data = { dy: numbers(pooled.values.length, seed + 1), input: x, output: pooled.values };
          const call = {
            kernel: 'MaxPoolGrad',
            attrs,
            inputs: { dy: pooled.shape, input: inputShape, output: pooled.shape },
          };
          const [actual, expected] = [run(wasm, call, data).values, run(cpu, call, data).values];
          actual.forEach((value, at) => near(value, expected[at]!, 1));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('differentiate max pooling of even images by twos', () => {
    const x = Float32Array.of(-3, -1, -2, -4, 0, 0, 0, 0, 5, 1, 6, 6, 2, 7, 6, 1);
    const call = {
      kernel: 'MaxPoolGrad',
      attrs: { filterSize: 2, strides: 2, pad: 'valid' },
      inputs: { dy: [1, 2, 2, 1], input: [1, 4, 4, 1], output: [1, 2, 2, 1] },
    };
    const data = { dy: Float32Array.of(1, 2, 3, 4), input: x, output: new Float32Array(4) };
    const expected = [0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 4, 0, 0, 3, 0, 0];
    assert.deepEqual([...run(wasm, call, data).values], expected);
    const masked = run(wasm, { ...call, kernel: 'MaxPoolReluGrad' }, data).values;
    assert.deepEqual([...masked], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 3, 0, 0]);
  });

  it('multiply batches of matrices, transposed or not', () => {
    const dimension = fc.integer({ min: 1, max: 24 });
    fc.assert(
      fc.property(
        dimension,
        dimension,
        dimension,
        fc.constantFrom([1, 1], [3, 3], [1, 3], [3, 1]),
        fc.boolean(),
        fc.boolean(),
        (m, k, n, [outerA, outerB], transposeA, transposeB) => {
          const a = transposeA ? [outerA, k, m] : [outerA, m, k];
          const b = transposeB ? [outerB, n, k] : [outerB, k, n];
          const data = { a: numbers(size(a), 1), b: numbers(size(b), 2) };
          const call = { kernel: 'BatchMatMul', attrs: { transposeA, transposeB }, inputs: { a, b } };
          const [actual, expected] = [run(wasm, call, data), run(cpu, call, data)];
          assert.deepEqual(actual.shape, expected.shape);
          actual.values.forEach((value, at) => near(value, expected.values[at]!, k));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('sum over any axes', () => {
    for (const axis of [[0], [0, 1], [0, 1, 2], [1], [2], [0, 2], [1, 2], []]) {
      for (const keepDims of [false, true]) {
        const data = { x: numbers(60, 3) };
        const call = { kernel: 'Sum', attrs: { axis, keepDims }, inputs: { x: [3, 4, 5] } };
        const [actual, expected] = [run(wasm, call, data), run(cpu, call, data)];
        if (axis.length > 0) assert.deepEqual(actual.shape, expected.shape);
        actual.values.forEach((value, at) => near(value, expected.values[at]!, 10));
      }
    }
  });

  it('gather gradients of an embedding by its indices', () => {
    const x = wasm.upload(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2], 'float32');
    const segmentIds = wasm.upload(Int32Array.of(2, 0, 2), [3], 'int32');
    const node: Node = {
      id: 0,
      kernel: 'UnsortedSegmentSum',
      attrs: { numSegments: 4 },
      inputs: { x: 0, segmentIds: 1 },
      outputs: [],
      layer: 1,
      role: 'weightGradient',
    };
    const [sum] = wasm.run(node, { x, segmentIds }) as [Handle];
    assert.deepEqual([...wasm.read(sum)], [3, 4, 0, 0, 6, 8, 0, 0]);
    for (const handle of [x, segmentIds, sum]) wasm.free(handle);
  });

  it('refuse what is wrong and not corrected, with a sentence', () => {
    const node: Node = {
      id: 0,
      kernel: 'Conv3DBackpropFilterV2',
      attrs: {},
      inputs: {},
      outputs: [],
      layer: 1,
      role: 'weightGradient',
    };
    assert.throws(
      () => wasm.run(node, {}),
      (error: unknown) => error instanceof EngineError && /conv3d cannot be trained/.test(error.message),
    );
  });
});
