import assert from 'node:assert/strict';
import type { DType, Node } from '../graph/graph.ts';
import { type Engine, EngineError, type Handle } from './engine.ts';
import { transfersContract } from './transfers-contract.ts';

/** Tests that every engine must pass. */
export function engineContract(open: () => Promise<Engine>): void {
  let engine: Engine;
  before(async () => {
    engine = await open();
  });
  afterEach(() => {
    assert.equal(engine.liveBytes(), 0, 'the test left buffers on the engine');
  });

  const floats = (values: number[], shape = [values.length]) =>
    engine.upload(Float32Array.from(values), shape, 'float32');
  const freeAll = (handles: readonly Handle[]) => {
    for (const handle of handles) engine.free(handle);
  };

  it('returns what was uploaded, and sends it into shared memory', () => {
    const handle = floats([1, 2, 3]);
    assert.deepEqual([...engine.read(handle)], [1, 2, 3]);
    const shared = new Float32Array(new SharedArrayBuffer(12));
    engine.wait(engine.send(handle, shared));
    assert.deepEqual([...shared], [1, 2, 3]);
    engine.free(handle);
  });

  it('keeps no tie to the data it was given or has handed out', () => {
    const data = Float32Array.of(1, 2);
    const handle = engine.upload(data, [2], 'float32');
    data[0] = 9;
    engine.read(handle)[1] = 9;
    assert.deepEqual([...engine.read(handle)], [1, 2]);
    engine.free(handle);
  });

  it('converts uploaded data to the type asked for', () => {
    const handle = engine.upload(Int32Array.of(1, 2), [2], 'float32');
    assert.deepEqual([...engine.read(handle)], [1, 2]);
    engine.free(handle);
  });

  it('refuses data that does not fill the shape', () => {
    assert.throws(() => engine.upload(Float32Array.of(1, 2), [3], 'float32'), EngineError);
  });

  it('shares the buffer of a reshaped tensor until its last handle is freed', () => {
    const handle = floats([1, 2, 3, 4]);
    const [view] = engine.run(node('Reshape', { x: 0 }, { shape: [2, 2] }), { x: handle }) as [Handle];
    assert.equal(view.buffer, handle.buffer);
    assert.deepEqual(view.shape, [2, 2]);
    assert.equal(engine.liveBytes(), 16);
    engine.free(handle);
    assert.equal(engine.liveBytes(), 16);
    assert.deepEqual([...engine.read(view)], [1, 2, 3, 4]);
    engine.free(view);
  });

  it('says where a buffer lies, if anywhere: aliases in one place, others apart', () => {
    const [left, right] = [floats([1, 2, 3, 4]), floats([5, 6])];
    const [view] = engine.run(node('Reshape', { x: 0 }, { shape: [2, 2] }), { x: left }) as [Handle];
    const [place, alias, other] = [left, view, right].map((handle) => engine.placeOf(handle));
    freeAll([left, view, right]);
    assert.deepEqual(alias, place);
    if (place === undefined || other === undefined) return assert.deepEqual([place, other], [undefined, undefined]);
    assert.deepEqual([place.bytes, other.bytes], [16, 8]);
    assert.ok(place.address + place.bytes <= other.address || other.address + other.bytes <= place.address);
  });

  it('says how long the device took from one mark to another', () => {
    const [x, filter] = [
      floats(
        Array.from({ length: 65_536 }, () => 1),
        [4, 64, 64, 4],
      ),
      floats(
        Array.from({ length: 576 }, () => 1),
        [3, 3, 4, 16],
      ),
    ];
    const conv = node('Conv2D', { x: 0, filter: 1 }, { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1 });
    const marks = [engine.mark()];
    for (const count of [1, 20]) {
      for (let i = 0; i < count; i++) freeAll(engine.run(conv, { x, filter }));
      marks.push(engine.mark());
    }
    const [start, middle, end] = marks as [number, number, number];
    assert.ok(engine.between(start, middle) > 0);
    assert.ok(engine.between(middle, end) > 0);
    const parts = engine.between(start, middle) + engine.between(middle, end);
    assert.ok(Math.abs(engine.between(start, end) - parts) < 0.01);
    engine.clearMarks();
    assert.throws(() => engine.between(start, end), EngineError);
    freeAll([x, filter]);
  });

  it('sees a weight that was updated in place in the next product and the next convolution', () => {
    const x = floats([1, 2, 3, 4], [1, 2, 2, 1]);
    const filter = floats([1], [1, 1, 1, 1]);
    const left = floats([1, 0, 0, 1], [2, 2]);
    const right = floats([1, 2, 3, 4], [2, 2]);
    const conv = node('Conv2D', { x: 0, filter: 1 }, { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1 });
    const product = node(
      '_FusedMatMul',
      { a: 0, b: 1 },
      { transposeA: false, transposeB: false, activation: 'linear' },
    );
    const results = () => {
      const handles = [...engine.run(conv, { x, filter }), ...engine.run(product, { a: left, b: right })];
      const values = handles.map((handle) => [...engine.read(handle)]);
      freeAll(handles);
      return values;
    };
    assert.deepEqual(results(), [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    engine.update(filter, [], Float32Array.of(-2), 1, { kind: 'sgd', learningRate: 0.5 }, 1);
    engine.update(right, [], Float32Array.of(-4, -4, -4, -4), 1, { kind: 'sgd', learningRate: 1 }, 2);
    assert.deepEqual(results(), [
      [2, 4, 6, 8],
      [5, 6, 7, 8],
    ]);
    freeAll([x, filter, left, right]);
  });

  it('gives back what is not in use, and goes on', () => {
    const kept = floats([1, 2, 3]);
    engine.free(floats(Array.from({ length: 1 << 20 }, () => 1)));
    const reserved = engine.deviceMemory()?.reserved ?? 0;
    engine.trim();
    assert.ok((engine.deviceMemory()?.reserved ?? 0) <= reserved);
    const again = floats([4, 5]);
    assert.deepEqual([...engine.read(kept)], [1, 2, 3]);
    assert.deepEqual([...engine.read(again)], [4, 5]);
    freeAll([kept, again]);
  });

  it('predicts the bytes that a kernel holds at its worst', () => {
    for (const { kernel, attrs, inputs } of predicted) {
      const names = Object.keys(inputs);
      const handles = names.map((name) =>
        floats(
          Array.from({ length: size(inputs[name]!) }, (_, i) => (i % 7) - 3),
          inputs[name],
        ),
      );
      const call = node(kernel, Object.fromEntries(names.map((name, id) => [name, id])), attrs);
      const before = engine.liveBytes();
      engine.resetPeak();
      const outputs = engine.run(call, Object.fromEntries(names.map((name, at) => [name, handles[at]!])));
      const measured = engine.peakBytes() - before;
      const shapes = (id: number) => ({ shape: inputs[names[id]!]!, dtype: 'float32' as DType });
      assert.equal(engine.runBytes(call, shapes), measured, kernel);
      freeAll([...outputs, ...handles]);
    }
  });

  it('names the kernel it has not', () => {
    assert.throws(
      () => engine.run(node('NoSuchKernel', {}, {}), {}),
      (error: unknown) =>
        error instanceof EngineError && error.code === 'kernelMissing' && error.message.includes('NoSuchKernel'),
    );
  });

  it('steps down the gradient with sgd, times the scale', () => {
    const variable = floats([1, 2]);
    assert.equal(engine.update(variable, [], Float32Array.of(4, 8), 0.25, { kind: 'sgd', learningRate: 0.5 }, 1), true);
    assert.deepEqual([...engine.read(variable)], [0.5, 1]);
    engine.free(variable);
  });

  it('gathers momentum, and looks ahead with Nesterov', () => {
    for (const [nesterov, expected] of [
      [false, 1 - 0.5 - 0.75],
      [true, 1 - 0.75 - 0.875],
    ] as const) {
      const [variable, velocity] = [floats([1]), floats([0])];
      const step = { kind: 'momentum', learningRate: 0.5, momentum: 0.5, nesterov } as const;
      engine.update(variable, [velocity], Float32Array.of(1), 1, step, 1);
      engine.update(variable, [velocity], Float32Array.of(1), 1, step, 1);
      assert.deepEqual([...engine.read(variable)], [expected]);
      assert.deepEqual([...engine.read(velocity)], [1.5]);
      freeAll([variable, velocity]);
    }
  });

  it('moves by the learning rate in the first step of adam', () => {
    const [variable, m, v] = [floats([1, 1]), floats([0, 0]), floats([0, 0])];
    const settings = { kind: 'adam', learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step: 1 } as const;
    engine.update(variable, [m, v], Float32Array.of(3, -0.01), 1, settings, 1);
    const [down, up] = engine.read(variable);
    assert.ok(Math.abs(down! - 0.9) < 1e-5 && Math.abs(up! - 1.1) < 1e-5);
    freeAll([variable, m, v]);
  });

  it('says when a gradient is not finite, at once or once everything is done', () => {
    const variable = floats([1, 1]);
    for (const [at, bad] of [Number.NaN, Infinity, -Infinity].entries()) {
      const sgd = { kind: 'sgd', learningRate: 1 } as const;
      const known = engine.update(variable, [], Float32Array.of(0, bad), 1, sgd, 5 + at);
      engine.read(variable);
      assert.equal(known ? engine.failedUpdate() : 5 + at, 5 + at);
      assert.equal(engine.failedUpdate(), undefined);
    }
    engine.free(variable);
  });

  it('takes a sum from a tensor as from the host', () => {
    const [variable, velocity, gradient] = [floats([1, 2]), floats([0, 0]), floats([4, 8])];
    const step = { kind: 'momentum', learningRate: 0.5, momentum: 0.5, nesterov: false } as const;
    assert.equal(engine.update(variable, [velocity], gradient, 0.25, step, 1), true);
    assert.deepEqual([...engine.read(variable)], [0.5, 1]);
    assert.equal(engine.average(variable, gradient, 0.5, 1), true);
    assert.deepEqual([...engine.read(variable)], [2, 4]);
    assert.equal(engine.average(variable, Float32Array.of(6, 2), 0.5, 1), true);
    assert.deepEqual([...engine.read(variable)], [3, 1]);
    freeAll([variable, velocity, gradient]);
  });

  it('updates many variables one after the other, from sums that go at once', () => {
    const lengths = Array.from({ length: 200 }, (_, at) => 1 + ((at * 997) % 9000));
    const variables = lengths.map((length) => floats(Array.from({ length }, () => 1)));
    const velocities = lengths.map((length) => floats(Array.from({ length }, () => 2)));
    const step = { kind: 'momentum', learningRate: 0.5, momentum: 0.5, nesterov: false } as const;
    for (const [at, length] of lengths.entries()) {
      const sum = floats(Array.from({ length }, (_, i) => at + i));
      if (at % 3 === 2) engine.average(variables[at]!, sum, 0.5, at);
      else engine.update(variables[at]!, [velocities[at]!], sum, at % 2 === 0 ? 1 : 2, step, at);
      engine.free(sum);
      if (at % 3 === 1) engine.free(floats(Array.from({ length }, () => 9)));
    }
    for (const [at, length] of lengths.entries()) {
      const [values, gathered] = [variables, velocities].map((handles) => engine.read(handles[at]!));
      for (const i of [0, length >> 1, length - 1]) {
        const velocity = at % 3 === 2 ? 2 : 1 + (at + i) * (at % 2 === 0 ? 1 : 2);
        assert.equal(gathered![i], velocity);
        assert.equal(values![i], at % 3 === 2 ? (at + i) / 2 : 1 - velocity / 2);
      }
    }
    freeAll([...variables, ...velocities]);
  });

  it('updates a variable that was itself updated or averaged just before, in this order', () => {
    const [first, second, sum] = [floats([1, 2]), floats([0, 0]), floats([2, 4])];
    const sgd = { kind: 'sgd', learningRate: 1 } as const;
    engine.update(first, [], sum, 1, sgd, 1);
    engine.average(second, first, 2, 2);
    engine.update(first, [], sum, 1, sgd, 1);
    engine.average(sum, first, 1, 3);
    assert.deepEqual(
      [first, second, sum].map((handle) => [...engine.read(handle)]),
      [
        [-3, -6],
        [-2, -4],
        [-3, -6],
      ],
    );
    freeAll([first, second, sum]);
  });

  transfersContract(() => engine);
}

function node(kernel: string, inputs: Node['inputs'], attrs: Node['attrs']): Node {
  return { id: 0, kernel, inputs, attrs, outputs: [], layer: 1, role: 'forward' };
}

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const window = { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1 };
const pooling = { filterSize: 2, strides: 2, pad: 'same' };

/** Kernels with temporaries of every kind: transposed, padded, sliced, reduced in two passes. */
const predicted: readonly { kernel: string; attrs: Node['attrs']; inputs: Readonly<Record<string, number[]>> }[] = [
  { kernel: 'Conv2D', attrs: window, inputs: { x: [2, 7, 7, 3], filter: [3, 3, 3, 4] } },
  {
    kernel: 'Conv2DBackpropFilter',
    attrs: { ...window, strides: 2, filterShape: [3, 3, 6, 4] },
    inputs: { x: [2, 7, 7, 6], dy: [2, 4, 4, 4] },
  },
  {
    kernel: 'Conv2DBackpropFilter',
    attrs: { ...window, filterShape: [3, 3, 1, 4] },
    inputs: { x: [2, 7, 7, 1], dy: [2, 7, 7, 4] },
  },
  {
    kernel: 'Conv2DBackpropInput',
    attrs: { ...window, inputShape: [2, 7, 7, 3] },
    inputs: { dy: [2, 7, 7, 4], filter: [3, 3, 3, 4] },
  },
  {
    kernel: 'Conv2DBackpropInput',
    attrs: { ...window, strides: 2, inputShape: [2, 7, 7, 3] },
    inputs: { dy: [2, 4, 4, 4], filter: [3, 3, 3, 4] },
  },
  { kernel: 'BatchMatMul', attrs: { transposeA: true, transposeB: true }, inputs: { a: [3, 17, 18], b: [3, 19, 17] } },
  { kernel: 'BatchMatMul', attrs: { transposeA: false, transposeB: false }, inputs: { a: [4, 5], b: [5, 6] } },
  {
    kernel: '_FusedMatMul',
    attrs: { transposeA: false, transposeB: true, activation: 'relu' },
    inputs: { a: [1, 4, 5], b: [1, 6, 5], bias: [6] },
  },
  { kernel: 'MaxPool', attrs: pooling, inputs: { x: [2, 5, 5, 3] } },
  { kernel: 'MaxPoolGrad', attrs: pooling, inputs: { dy: [2, 3, 3, 3], input: [2, 5, 5, 3], output: [2, 3, 3, 3] } },
  { kernel: 'AvgPoolGrad', attrs: { ...pooling, inputShape: [2, 5, 5, 3] }, inputs: { dy: [2, 3, 3, 3] } },
  { kernel: 'Sum', attrs: { axis: [0, 1], keepDims: false }, inputs: { x: [3, 4, 5] } },
  { kernel: 'Sum', attrs: { axis: [1], keepDims: true }, inputs: { x: [3, 4, 5] } },
  { kernel: 'Mean', attrs: { axis: [0, 2], keepDims: false }, inputs: { x: [3, 4, 5] } },
  { kernel: 'Softmax', attrs: { dim: 1 }, inputs: { logits: [3, 5] } },
  { kernel: 'Transpose', attrs: { perm: [2, 0, 1] }, inputs: { x: [3, 4, 5] } },
  { kernel: 'Tile', attrs: { reps: [2, 3] }, inputs: { x: [3, 4] } },
  {
    kernel: 'PadV2',
    attrs: {
      paddings: [
        [1, 1],
        [0, 2],
      ],
      constantValue: 0,
    },
    inputs: { x: [3, 4] },
  },
  { kernel: 'Slice', attrs: { begin: [1, 1], size: [2, 2] }, inputs: { x: [3, 4] } },
  { kernel: 'Add', attrs: {}, inputs: { a: [3, 4], b: [4] } },
  { kernel: 'ReluGrad', attrs: {}, inputs: { dy: [3, 4], y: [3, 4] } },
  { kernel: 'SoftmaxCrossEntropy', attrs: {}, inputs: { logits: [3, 4], labels: [3, 4] } },
];
