import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { elementsOf } from '../device.ts';
import { generator } from '../random.ts';
import { type Addon, type Context, isAddonError, type TensorId } from './addon.ts';
import { sessionConfig } from './session-config.ts';
import { stagedAddon } from './tested.ts';

type Call = (addon: Addon, context: Context, tensors: readonly TensorId[]) => TensorId;

interface Subject {
  name: string;
  shapes: readonly (readonly number[])[];
  call: Call;
}

const pooling =
  (window: readonly number[], size: readonly number[]): Call =>
  (addon, context, [image]) =>
    addon.maxPool(context, image!, window, size);

const fiveByFive = [5, 5, 1, 1, 2, 2];

const subjects: readonly Subject[] = [
  { name: 'maxPool of quarters', shapes: [[5, 64, 64, 8]], call: pooling([2, 2, 2, 2, 0, 0], [32, 32]) },
  { name: 'maxPool of windows that overlap', shapes: [[5, 64, 64, 8]], call: pooling([3, 3, 2, 2, 1, 1], [32, 32]) },
  {
    name: 'smallConvolution',
    shapes: [[9, 28, 28, 3], [5, 5, 3, 21], [21]],
    call: (addon, context, [x, filter, bias]) =>
      addon.smallConvolution(context, x!, filter!, fiveByFive, [28, 28], true, bias),
  },
  {
    name: 'smallConvolutionInputGrad',
    shapes: [
      [9, 28, 28, 21],
      [5, 5, 3, 21],
    ],
    call: (addon, context, [dy, filter]) =>
      addon.smallConvolutionInputGrad(context, dy!, filter!, fiveByFive, [28, 28]),
  },
  {
    name: 'smallConvolutionFilterGrad',
    shapes: [
      [37, 28, 28, 3],
      [37, 28, 28, 21],
    ],
    call: (addon, context, [x, dy]) => addon.smallConvolutionFilterGrad(context, x!, dy!, fiveByFive),
  },
  { name: 'planeSums', shapes: [[77, 41, 64]], call: (addon, context, [x]) => addon.planeSums(context, x!, 2) },
];

/** Pixels of a picture in the first window. */
function onesMet(size: readonly number[], filter: readonly number[], margin: readonly number[]): number {
  const [down, right] = [0, 1].map((axis) => Math.max(0, Math.min(size[axis]!, filter[axis]! - margin[axis]!)));
  return down! * right!;
}

describe('kernels of our own on the host', () => {
  let addon: Addon;

  before(function () {
    addon = stagedAddon(this);
  });

  function inContext<T>(threads: number, body: (context: Context) => T): T {
    const context = addon.createContext(sessionConfig({ opThreads: threads }), '/device:CPU:0', threads);
    try {
      return body(context);
    } finally {
      addon.destroyContext(context);
    }
  }

  const upload = (context: Context, shape: readonly number[], data: Float32Array) =>
    addon.create(context, 1, shape, data);

  const valuesOf = (context: Context, tensor: TensorId) => {
    const values = new Float32Array(addon.bytes(context, tensor) / 4);
    addon.read(context, tensor, values);
    return values;
  };

  for (const { name, shapes, call } of subjects) {
    it(`${name} gives the same bits whatever the number of threads`, () => {
      const results = [1, 2, 3, 7].map((threads) =>
        inContext(threads, (context) => {
          const tensors = shapes.map((shape, at) => {
            const random = generator(at);
            return upload(
              context,
              shape,
              Float32Array.from({ length: elementsOf(shape) }, () => random() - 0.5),
            );
          });
          return valuesOf(context, call(addon, context, tensors));
        }),
      );
      assert.ok(results[0]!.some((value) => value !== 0));
      for (const other of results) assert.deepEqual(other, results[0]);
    });
  }

  it('maxPool lets no NaN disappear', () => {
    const holding = (at: number) => Float32Array.from({ length: 16 }, (_, i) => (i === at ? Number.NaN : -i));
    const found = (at: number, window: number[], size: number[]) =>
      inContext(1, (context) => {
        const pooled = addon.maxPool(context, upload(context, [1, 4, 4, 1], holding(at)), window, size);
        return valuesOf(context, pooled).filter(Number.isNaN).length;
      });
    for (let at = 0; at < 16; at++) {
      assert.equal(found(at, [2, 2, 2, 2, 0, 0], [2, 2]), 1, `quarters, ${at}`);
      assert.equal(found(at, [4, 4, 4, 4, 0, 0], [1, 1]), 1, `one window, ${at}`);
    }
  });

  it('planeSums loses little where many rows are summed', () => {
    const [rows, channels] = [1 << 20, 3];
    const values = Float32Array.from({ length: rows * channels }, (_, i) => [0.1, 1, -7.3][i % channels]!);
    const sums = inContext(2, (context) =>
      valuesOf(context, addon.planeSums(context, upload(context, [rows, channels], values), 1)),
    );
    sums.forEach((sum, at) => {
      const exact = values[at]! * rows;
      assert.ok(Math.abs(sum - exact) <= 1e-5 * Math.abs(exact), `${sum} instead of ${exact}`);
    });
  });

  it('convolve pictures that fit the window, and refuse those that do not', () => {
    const side = fc.integer({ min: 1, max: 6 });
    const call = fc.record({
      batch: fc.integer({ min: 1, max: 3 }),
      size: fc.tuple(side, side),
      out: fc.tuple(side, side),
      filter: fc.tuple(side, side),
      strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      margin: fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })),
      channels: fc.tuple(side, fc.integer({ min: 1, max: 18 })),
    });
    inContext(2, (context) => {
      fc.assert(
        fc.property(call, ({ batch, size, out, filter, strides, margin, channels: [few, many] }) => {
          const made = [
            [batch, ...size, few],
            [...filter, few, many],
            [batch, ...out, many],
          ].map((shape) => upload(context, shape, new Float32Array(elementsOf(shape)).fill(1)));
          const [x, weights, dy] = made as [number, number, number];
          const window = [...filter, ...strides, ...margin];
          const isInside = margin.every((width, axis) => width < filter[axis]!);
          const isFine = strides.every((stride) => stride === 1);
          const calls: [boolean, () => TensorId][] = [
            [isInside, () => addon.smallConvolution(context, x, weights, window, out, false)],
            [isInside, () => addon.smallConvolutionFilterGrad(context, x, dy, window)],
            [isInside && isFine, () => addon.smallConvolutionInputGrad(context, dy, weights, window, size)],
          ];
          for (const [works, body] of calls) {
            if (works) made.push(body());
            else assert.throws(body, isAddonError);
          }
          if (isInside) assert.deepEqual(valuesOf(context, made[3]!)[0], onesMet(size, filter, margin) * few);
          for (const tensor of made) addon.delete(context, tensor);
        }),
        { numRuns: 500, seed: 4 },
      );
      assert.equal(addon.count(context), 0);
    });
  });

  it('answer shapes and windows that do not fit with an error and go on', () => {
    const side = fc.integer({ min: 0, max: 6 });
    const shape = fc.array(side, { maxLength: 5 });
    const numbers = fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 7 });
    const windows = fc.oneof(numbers, fc.tuple(side, side, side, side, side, side));
    const call = fc.tuple(shape, fc.oneof(shape, fc.tuple(side, side, side, side)), windows, numbers);
    inContext(2, (context) => {
      const attempt = (body: () => TensorId) => {
        try {
          addon.delete(context, body());
        } catch (error) {
          assert.ok(isAddonError(error), String(error));
        }
      };
      fc.assert(
        fc.property(call, ([first, second, window, size]) => {
          const [a, b] = [first, second].map((sizes) => upload(context, sizes, new Float32Array(elementsOf(sizes))));
          for (const axis of [0, 1, 2, 3]) attempt(() => addon.planeSums(context, a!, axis));
          attempt(() => addon.maxPool(context, b!, window, size));
          attempt(() => addon.maxPoolGrad(context, b!, a!, window, 0));
          attempt(() => addon.smallConvolution(context, a!, b!, window, size, true));
          attempt(() => addon.smallConvolution(context, b!, a!, window, size.slice(0, 2), false, a));
          attempt(() => addon.smallConvolutionInputGrad(context, b!, a!, window, size.slice(0, 2)));
          attempt(() => addon.smallConvolutionFilterGrad(context, a!, b!, window));
          for (const tensor of [a!, b!]) addon.delete(context, tensor);
        }),
        { numRuns: 2000, seed: 4 },
      );
      assert.equal(addon.count(context), 0);
    });
  });
});
