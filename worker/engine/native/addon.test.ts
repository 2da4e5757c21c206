import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import type { Handle } from '../engine.ts';
import { type Addon, type Context, isAddonError } from './addon.ts';
import { sessionConfig } from './session-config.ts';
import { stagedAddon } from './tested.ts';
import { UpdateRequest } from './update-request.ts';

const float32 = 1;

describe('addon of the native engine', () => {
  let addon: Addon;
  let context: Context;

  before(function () {
    addon = stagedAddon(this);
  });
  beforeEach(() => {
    context = addon.createContext(sessionConfig({ opThreads: 1 }), '/device:CPU:0', 1);
  });
  afterEach(() => addon?.destroyContext(context));

  const floats = (...values: number[]) => addon.create(context, float32, [values.length], Float32Array.from(values));
  const valuesOf = (tensor: number) => {
    const values = new Float32Array(addon.bytes(context, tensor) / 4);
    addon.read(context, tensor, values);
    return [...values];
  };

  it('lets an op write into the memory of a consumed input, and of no other', () => {
    const x = floats(-1, 2);
    const address = addon.address(context, x);
    const [copy] = addon.execute(context, 'Relu', [], [x], [false], 1) as [number];
    assert.notEqual(addon.address(context, copy), address);
    assert.deepEqual(valuesOf(x), [-1, 2]);
    const [reused, , source] = addon.execute(context, 'Relu', [], [x], [true], 1) as [number, number, number];
    assert.equal(addon.address(context, reused), address);
    assert.equal(source, 0);
    assert.deepEqual(valuesOf(reused), [0, 2]);
    assert.throws(() => addon.read(context, x, new Float32Array(2)), isAddonError);
  });

  it('gives parts of a tensor memory of their own', () => {
    const x = floats(1, 2, 3, 4);
    const [begin, size] = [[2], [2]].map((list) => addon.create(context, 3, [1], Int32Array.from(list)));
    const [part] = addon.execute(context, 'Slice', [], [x, begin!, size!], [], 1) as [number];
    const request = new UpdateRequest();
    const sum = request.set(
      { ref: x } as Handle,
      [],
      new Float32Array(4).fill(1),
      1,
      { kind: 'sgd', learningRate: 1 },
      1,
      0,
    );
    addon.update(context, request.numbers, sum);
    assert.deepEqual(valuesOf(x), [0, 1, 2, 3]);
    assert.deepEqual(valuesOf(part), [3, 4]);
  });

  it('shares the memory of an alias', () => {
    const x = floats(1, 2, 3, 4);
    const matrix = addon.alias(context, x, [2, 2]);
    assert.equal(addon.address(context, matrix), addon.address(context, x));
    addon.delete(context, x);
    assert.deepEqual(valuesOf(matrix), [1, 2, 3, 4]);
  });

  it('reads into shared memory, and makes tensors of it', () => {
    const x = floats(1, 2);
    const shared = new Float32Array(new SharedArrayBuffer(16), 8);
    addon.read(context, x, shared);
    assert.deepEqual([...shared], [1, 2]);
    shared.set([3, 4]);
    assert.deepEqual(valuesOf(addon.create(context, float32, [2], shared)), [3, 4]);
  });

  it('sends floats alone, parts that fit where they go, and none that a tensor does not have', () => {
    const x = floats(1, 2, 3);
    const into = new Float32Array(2);
    const send = (tensor: number, first: number, offset = 0, length = 2, target = into) =>
      addon.send(context, target, Float64Array.of(tensor, first, offset, length));
    assert.deepEqual(send(x, 1), [0, 0, 0]);
    assert.deepEqual([...into], [2, 3]);
    for (const wrong of [2, 3, 4, -1, 0.5, Number.NaN, 2 ** 52, -(2 ** 52), 2 ** 53, Infinity]) {
      assert.throws(() => send(x, wrong), isAddonError, `first ${wrong}`);
      if (wrong !== 2) assert.throws(() => send(x, 0, 0, wrong), isAddonError, `length ${wrong}`);
      assert.throws(() => send(x, 0, wrong, 1), isAddonError, `offset ${wrong}`);
      assert.throws(() => send(wrong < 5 ? 1000 : wrong, 0), isAddonError, `tensor ${wrong}`);
    }
    const whole = addon.create(context, 3, [2], Int32Array.of(1, 2));
    assert.throws(() => send(whole, 0), /floats/);
    assert.throws(() => send(x, 0, 0, 2, new Int32Array(2) as never), /floats/);
    assert.throws(() => addon.send(context, into, new Float64Array(5)), /four of each/);
    assert.throws(() => addon.send(context, into, Float32Array.of(x, 0, 0, 2) as never), /four of each/);
    assert.deepEqual([...into], [2, 3]);
    addon.send(context, into, Float64Array.of(x, 2, 0, 1, x, 0, 1, 1));
    assert.deepEqual([...into], [3, 1]);
    assert.deepEqual(addon.send(context, into, new Float64Array()), [0, 0, 0]);
  });

  it('names the op and the status of what TensorFlow refuses', () => {
    const x = floats(1, 2);
    assert.throws(
      () => addon.execute(context, 'MatMul', [], [x, x], [], 1),
      (error: unknown) => isAddonError(error) && error.code === 'INVALID_ARGUMENT' && error.op === 'MatMul',
    );
  });

  it('releases everything with its context', () => {
    const other = addon.createContext(new Uint8Array(), '', 1);
    addon.create(other, float32, [1], new Float32Array(1));
    assert.equal(addon.count(other), 1);
    addon.destroyContext(other);
    assert.throws(() => addon.count(other), /destroyed/);
    assert.throws(() => addon.createContext(Uint8Array.of(255, 255, 255), '', 1), isAddonError);
  });

  it('does not know tensors of another context', () => {
    const other = addon.createContext(new Uint8Array(), '', 1);
    for (let i = 0; i < 5; i++) floats(i);
    assert.throws(() => addon.read(other, 5, new Float32Array(1)), /no tensor 5/);
    addon.destroyContext(other);
  });

  it('computes in several worker threads at once, and leaves with them', async () => {
    const module = new URL('./open.ts', import.meta.url).href;
    const code = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(module)}).then(({ openNativeEngine }) => {
        const engine = openNativeEngine();
        const x = engine.upload(Float32Array.of(-1, 2), [2], 'float32');
        const node = { id: 0, kernel: 'Relu', inputs: { x: 0 }, attrs: {}, outputs: [], layer: 1, role: 'forward' };
        let sum = 0;
        for (let i = 0; i < 1000; i++) {
          const [y] = engine.run(node, { x });
          sum += engine.read(y)[1];
          engine.free(y);
        }
        parentPort.postMessage(sum);
      });`;
    const workers = [1, 2, 3].map(() => new Worker(code, { eval: true }));
    const sums = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    assert.deepEqual(sums, [2000, 2000, 2000]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('answers any wrong argument with an error and goes on', () => {
    const anything = fc.oneof(
      fc.integer({ min: -3, max: 12 }),
      fc.double(),
      fc.constantFrom(
        2 ** 40,
        2 ** 53,
        undefined,
        null,
        true,
        'Relu',
        'AddV2',
        'MatMul',
        'Reshape',
        'T',
        '',
        {},
        () => 0,
      ),
      fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 4 }),
      fc.array(fc.boolean(), { maxLength: 3 }),
      fc.constantFrom(['T', 't', 1], ['T', 't', 99], ['N', 'i', 2], ['T', 'x', 1], ['transpose_a', 'b', true], ['T']),
      fc.constantFrom(
        new Float32Array(4),
        new Int32Array(2),
        new Float64Array(1),
        new Uint8Array(),
        new DataView(new ArrayBuffer(4)),
      ),
    );
    const functions = Object.keys(addon).filter((name) => name !== 'createContext' && name !== 'destroyContext');
    const call = fc.tuple(fc.constantFrom(...functions), fc.array(anything, { maxLength: 6 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(call, { maxLength: 20 }), (calls) => {
        floats(1, 2, 3, 4);
        for (const [name, given, withContext] of calls) {
          try {
            (addon as unknown as Record<string, (...all: unknown[]) => unknown>)[name]!(
              ...(withContext ? [context, ...given] : given),
            );
          } catch (error) {
            assert.ok(isAddonError(error), `${name} threw ${String(error)}`);
          }
        }
      }),
      { numRuns: 300, seed: 4 },
    );
    assert.deepEqual(valuesOf(floats(7)), [7]);
  });

  it('answers ops with wrong inputs and attributes with an error and goes on', () => {
    const ops =
      'AddV2 BiasAdd Concat ConcatV2 Conv2D Fill GatherV2 MatMul MaxPool Pack PadV2 Slice SplitV StridedSlice Sum Tile Transpose Unpack';
    const shape = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
    const operand = fc.tuple(shape, fc.constantFrom(float32, 3, 10), fc.integer({ min: -2, max: 5 }));
    const attribute = fc.constantFrom(
      ['T', 't', float32],
      ['N', 'i', 2],
      ['N', 'i', -1],
      ['num', 'i', 3],
      ['num_split', 'i', 2],
      ['axis', 'i', 9],
      ['strides', 'I', [1, 1, 1, 1]],
      ['strides', 'I', [0]],
      ['ksize', 'I', [1, 2, 2, 1]],
      ['padding', 's', 'SAME'],
      ['padding', 's', 'NOWHERE'],
    );
    const call = fc.tuple(
      fc.constantFrom(...ops.split(' ')),
      fc.array(operand, { maxLength: 4 }),
      fc.array(attribute, { maxLength: 3 }),
      fc.array(fc.boolean(), { maxLength: 4 }),
      fc.integer({ min: 0, max: 3 }),
    );
    fc.assert(
      fc.property(call, ([op, operands, attributes, consumed, outputs]) => {
        const inputs = operands.map(([size, type, value]) => {
          const length = size.reduce((a, b) => a * b, 1);
          const Data = type === float32 ? Float32Array : type === 3 ? Int32Array : Uint8Array;
          return addon.create(context, type, size, new Data(length).fill(value));
        });
        try {
          addon.execute(context, op, attributes.flat() as string[], inputs, consumed, outputs);
        } catch (error) {
          assert.ok(isAddonError(error), String(error));
        }
      }),
      { numRuns: 2000, seed: 4 },
    );
    assert.deepEqual(valuesOf(floats(7)), [7]);
  });
});
