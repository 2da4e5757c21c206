import assert from 'node:assert/strict';
import { generator } from '../random.ts';
import { type Addon, isAddonError } from './addon.ts';
import { type Attributes, flatten, ints, text } from './attributes.ts';
import { sessionConfig } from './session-config.ts';
import { stagedAddon } from './tested.ts';

const images = [7, 32, 32, 8];
const filter = [3, 3, 8, 16];
const outputs = [7, 32, 32, 16];
const window = { strides: ints([1, 1, 1, 1]), padding: text('SAME') };
const pooling = { strides: ints([1, 2, 2, 1]), ksize: ints([1, 2, 2, 1]), padding: text('SAME') };

type Operand = { shape: number[] } | { sizes: number[] };
interface Case {
  op: string;
  operands: Operand[];
  attributes: Attributes;
  /** Largest difference relative to the largest number; 0 where no sum crosses pictures. */
  tolerance: number;
}

const cases: Case[] = [
  { op: 'Conv2D', operands: [{ shape: images }, { shape: filter }], attributes: window, tolerance: 0 },
  {
    op: 'Conv2DBackpropInput',
    operands: [{ sizes: images }, { shape: filter }, { shape: outputs }],
    attributes: window,
    tolerance: 0,
  },
  {
    op: 'Conv2DBackpropFilter',
    operands: [{ shape: images }, { sizes: filter }, { shape: outputs }],
    attributes: window,
    tolerance: 1e-5,
  },
  { op: 'AvgPool', operands: [{ shape: images }], attributes: pooling, tolerance: 0 },
];

describe('ops that are split by their batch', () => {
  let addon: Addon;

  before(function () {
    addon = stagedAddon(this);
  });

  function result({ op, operands, attributes }: Case, threads: number): Float32Array {
    const context = addon.createContext(sessionConfig({ opThreads: threads }), '/device:CPU:0', threads);
    const inputs = operands.map((operand, at) => {
      if ('sizes' in operand) return addon.create(context, 3, [4], Int32Array.from(operand.sizes), true);
      const random = generator(at);
      const data = Float32Array.from({ length: operand.shape.reduce((a, b) => a * b) }, () => random() - 0.5);
      return addon.create(context, 1, operand.shape, data, false);
    });
    try {
      const [made] = addon.execute(context, op, flatten(attributes), inputs, [], 1) as [number];
      const values = new Float32Array(addon.bytes(context, made) / 4);
      addon.read(context, made, values);
      assert.equal(addon.count(context), inputs.length + 1);
      return values;
    } finally {
      addon.destroyContext(context);
    }
  }

  for (const subject of cases) {
    it(`${subject.op} gives on 2 and 3 threads what it gives on one`, () => {
      const alone = result(subject, 1);
      const largest = alone.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const threads of [2, 3]) {
        const split = result(subject, threads);
        assert.equal(split.length, alone.length);
        const off = split.reduce((most, value, at) => Math.max(most, Math.abs(value - alone[at]!)), 0);
        assert.ok(off <= subject.tolerance * largest, `${threads} threads: off by ${off / largest}`);
        assert.deepEqual(result(subject, threads), split);
      }
    });
  }

  it('fail as they do in one piece, with the name of the op', () => {
    const narrow: Case = { ...cases[0]!, operands: [{ shape: images }, { shape: [3, 3, 5, 16] }] };
    for (const threads of [1, 2]) {
      assert.throws(
        () => result(narrow, threads),
        (error: unknown) => isAddonError(error) && error.code === 'INVALID_ARGUMENT' && error.op === 'Conv2D',
      );
    }
  });
});
