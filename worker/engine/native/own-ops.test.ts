import assert from 'node:assert/strict';
import type { Node } from '../../graph/graph.ts';
import { type Addon, type Context } from './addon.ts';
import { bool, flatten, typeNumber } from './attributes.ts';
import { NativeEngine } from './engine.ts';
import { elementwiseOps, type OwnOp, trustedOps } from './own-ops.ts';
import { sessionConfig } from './session-config.ts';
import { stagedAddon } from './tested.ts';

type Own = Pick<Addon, 'multiply' | 'elementwise' | 'planeSums' | 'maxPool' | 'crossEntropy' | 'crossEntropyGrad'>;

describe('trustedOps', () => {
  let addon: Addon;
  let context: Context;

  before(function () {
    addon = stagedAddon(this);
    context = addon.createContext(sessionConfig({ opThreads: 1 }), '/device:CPU:0', 1);
  });

  after(() => {
    if (context !== undefined) addon.destroyContext(context);
  });

  const opOf = (number: number) => Object.entries(elementwiseOps).find(([, at]) => at === number)![0];

  /** The CPU's addon with what a GPU's has of its own, made of TensorFlow's ops, some of it changed. */
  const withOwn = (change: (right: Own) => Partial<Own> = () => ({})): Addon => {
    const run = (op: string, inputs: number[], attributes = {}) =>
      addon.execute(context, op, flatten(attributes), inputs, [], 1)[0]!;
    /** Losses of the rows, gradient, and how many rows there are. */
    const crossEntropies = (logits: number, labels: number) => {
      const op = 'SparseSoftmaxCrossEntropyWithLogits';
      const said = addon.execute(context, op, flatten({}), [logits, labels], [], 2);
      return [said[0]!, said[5]!, said[4]!] as const;
    };
    const right: Own = {
      multiply: (_, a, b, transposeA, transposeB) =>
        run('MatMul', [a, b], { transpose_a: bool(transposeA), transpose_b: bool(transposeB) }),
      elementwise: (_, op, a, b) => run(opOf(op), b === 0 ? [a] : [a, b]),
      planeSums: (of, tensor, axis) => addon.planeSums(of, tensor, axis),
      maxPool: (...given) => addon.maxPool(...given),
      crossEntropy: (_, logits, labels) => {
        const [losses, gradient] = crossEntropies(logits, labels);
        const axes = addon.create(context, typeNumber.int32, [1], Int32Array.of(0), true);
        const mean = run('Mean', [losses, axes], { keep_dims: bool(false) });
        for (const tensor of [losses, gradient, axes]) addon.delete(context, tensor);
        return mean;
      },
      crossEntropyGrad: (_, dy, logits, labels) => {
        const [losses, gradient, rows] = crossEntropies(logits, labels);
        const size = addon.create(context, typeNumber.float32, [], Float32Array.of(rows));
        const [share] = [run('RealDiv', [dy, size])];
        const scaled = run('Mul', [gradient, share]);
        for (const tensor of [losses, gradient, size, share]) addon.delete(context, tensor);
        return scaled;
      },
    };
    return { ...addon, ...right, ...change(right) };
  };

  const tried = (change?: (right: Own) => Partial<Own>) => {
    const said: string[] = [];
    const before = addon.count(context);
    const trusted = trustedOps(withOwn(change), context, (line) => said.push(line));
    assert.equal(addon.count(context), before, 'tensors are left');
    return { trusted: [...trusted].toSorted(), said };
  };

  it('trusts what gives the results of TensorFlow', () => {
    assert.deepEqual(tried(), {
      trusted: ['columnSums', 'crossEntropy', 'elementwise', 'maxPool', 'multiply'],
      said: [],
    });
  });

  it('distrusts, and names, what does not, in one case of many, or does not start', () => {
    const cases: [OwnOp, RegExp, (right: Own) => Partial<Own>][] = [
      [
        'multiply',
        /multiply of our own is not used on this GPU, TensorFlow's is: its results are off by/,
        ({ multiply, elementwise }) => ({
          multiply: (of, a, b, transposeA, transposeB) => {
            const product = multiply(of, a, b, transposeA, transposeB);
            if (!transposeA || transposeB) return product;
            const doubled = elementwise(of, 0, product, product);
            addon.delete(of, product);
            return doubled;
          },
        }),
      ],
      ['multiply', /it does not start/, () => ({ multiply: () => 0 })],
      [
        'elementwise',
        /elementwise of our own .* off by/,
        ({ elementwise }) => ({ elementwise: (of, op, a, b) => elementwise(of, op === 2 ? 1 : op, a, b) }),
      ],
      [
        'maxPool',
        /maxPool of our own .* off by/,
        ({ maxPool }) => ({
          maxPool: (of, image, [height, width, ...more], size) =>
            maxPool(of, image, [height! - 1, width!, ...more], size),
        }),
      ],
      ['crossEntropy', /it does not start/, () => ({ crossEntropy: () => 0 })],
      [
        'crossEntropy',
        /crossEntropy of our own .* off by/,
        ({ crossEntropyGrad }) => ({
          crossEntropyGrad: (of, _, logits, labels) => crossEntropyGrad(of, logits, logits, labels),
        }),
      ],
      [
        'columnSums',
        /columnSums of our own .*: out of order/,
        () => ({
          planeSums: () => {
            throw new Error('out of order');
          },
        }),
      ],
    ];
    for (const [op, line, change] of cases) {
      const { trusted, said } = tried(change);
      assert.ok(!trusted.includes(op) && trusted.length === 4, `${op}: ${trusted.join()}`);
      assert.equal(said.length, 1);
      assert.match(said[0]!, line);
    }
  });

  it('has an engine compute with what is trusted, and with the ops of TensorFlow where that cannot', () => {
    const used: string[] = [];
    const noting = withOwn(({ multiply, elementwise, planeSums, crossEntropy, crossEntropyGrad }) => ({
      multiply: (...given) => (used.push('multiply'), multiply(...given)),
      elementwise: (...given) => (used.push(opOf(given[1])), elementwise(...given)),
      planeSums: (...given) => (used.push(`sums ${given[2]}`), planeSums(...given)),
      crossEntropy: (...given) => (used.push('loss'), crossEntropy(...given)),
      crossEntropyGrad: (...given) => (used.push('gradient of the loss'), crossEntropyGrad(...given)),
    }));
    const all = new Set<OwnOp>(['multiply', 'elementwise', 'columnSums', 'crossEntropy']);
    const engine = new NativeEngine(noting, context, new Set(), 'cpu', [], false, all);
    type Given = readonly [values: number[], shape: number[], type?: 'int32'];
    const run = (kernel: string, given: Record<string, Given>, attrs: Node['attrs'] = {}) => {
      used.length = 0;
      const handles = Object.entries(given).map(
        ([name, [values, shape, type]]) =>
          [
            name,
            engine.upload(
              type === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
              shape,
              type ?? 'float32',
            ),
          ] as const,
      );
      const node: Node = { id: 0, kernel, inputs: {}, attrs, outputs: [], layer: 1, role: 'forward' };
      const [out] = engine.run(node, Object.fromEntries(handles));
      const values = [...engine.read(out!)];
      for (const handle of [out!, ...handles.map(([, each]) => each)]) engine.free(handle);
      assert.equal(engine.liveBytes(), 0);
      return { values, used: used.join(', ') };
    };
    const [row, column] = [
      [
        [1, 2, 3],
        [1, 3],
      ],
      [
        [1, 2, 3],
        [3, 1],
      ],
    ] as [[number[], number[]], [number[], number[]]];
    assert.deepEqual(run('BatchMatMul', { a: row, b: column }), { values: [14], used: 'multiply' });
    assert.deepEqual(run('BatchMatMul', { a: row, b: row }, { transposeB: true }), { values: [14], used: 'multiply' });
    assert.deepEqual(run('Multiply', { a: row, b: row }), { values: [1, 4, 9], used: 'Mul' });
    assert.deepEqual(run('Add', { a: row, b: [[10], []] }), { values: [11, 12, 13], used: 'AddV2' });
    assert.deepEqual(run('Floor', { x: [[1.5, -1.5], [2]] }), { values: [1, -2], used: 'Floor' });
    assert.deepEqual(run('Relu', { x: [[1.5, -1.5], [2]] }), { values: [1.5, 0], used: 'Relu' });
    assert.deepEqual(run('RealDiv', { a: [[6], []], b: row }), { values: [6, 3, 2], used: '' });
    assert.deepEqual(run('Add', { a: row, b: column }).used, '');
    const logits: Given = [
      [0, 0, Math.log(2), 0],
      [2, 2],
    ];
    const given = { logits, labels: [[0, 1], [2], 'int32'] as Given };
    const loss = run('SoftmaxCrossEntropy', given);
    assert.equal(loss.used, 'loss');
    assert.ok(Math.abs(loss.values[0]! - Math.log(6) / 2) < 1e-6);
    const gradient = run('SoftmaxCrossEntropyGrad', { dy: [[6], []], ...given });
    assert.equal(gradient.used, 'gradient of the loss');
    assert.deepEqual(
      gradient.values.map((value) => Math.round(1e4 * value) / 1e4),
      [-1.5, 1.5, 2, -2],
    );
    const ofRows = run('SoftmaxCrossEntropy', { ...given, labels: logits });
    assert.equal(ofRows.used, '', 'labels that are rows of weights are for TensorFlow');
    assert.deepEqual(
      run(
        'Sum',
        {
          x: [
            [1, 2, 3, 4],
            [2, 2],
          ],
        },
        { axis: [0] },
      ),
      { values: [4, 6], used: 'sums 1' },
    );
  });
});
