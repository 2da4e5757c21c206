import { elementsOf } from '../device.ts';
import type { Addon, Context, TensorId } from './addon.ts';
import { bool, flatten, ints, text, typeNumber } from './attributes.ts';

/** Kernels of the addon's own, for GPUs, that stand in for TensorFlow's ops, which cost the host ten times as much. */
export type OwnOp = 'multiply' | 'elementwise' | 'columnSums' | 'maxPool' | 'crossEntropy';

/** Numbers of what {@link Addon.elementwise} does, as in addon/device.h, by the name of TensorFlow's op. */
export const elementwiseOps: Readonly<Record<string, number>> = { AddV2: 0, Mul: 1, RealDiv: 2, Floor: 3, Relu: 4 };
const ofOneTensor = new Set(['Floor', 'Relu']);

/** Of the largest element; both round factors in TF32 alike, but add in other orders. */
const tolerance = 1e-2;

interface Trial {
  op: OwnOp;
  own: () => TensorId;
  stock: () => TensorId;
  /** Of the result. */
  elements: number;
}

/**
 * Which of them give here what TensorFlow's ops give, tried once when a GPU is opened: libraries have come with kernels that
 * are silently wrong on some GPU. `say` is told of those that do not.
 */
export function trustedOps(addon: Addon, context: Context, say: (line: string) => void): Set<OwnOp> {
  const trusted = new Set<OwnOp>();
  const distrusted = new Map<OwnOp, string>();
  const given: TensorId[] = [];
  const floats = (shape: readonly number[]) => {
    const values = Float32Array.from(
      { length: elementsOf(shape) },
      (_, at) => Math.sin(1 + given.length + 0.37 * at) + 0.5,
    );
    const tensor = addon.create(context, typeNumber.float32, shape, values);
    given.push(tensor);
    return tensor;
  };
  for (const { op, own, stock, elements } of trials(addon, context, floats)) {
    const problem = differenceOf(addon, context, own, stock, elements);
    if (problem === undefined) trusted.add(op);
    else distrusted.set(op, problem);
  }
  for (const tensor of given) addon.delete(context, tensor);
  for (const [op, problem] of distrusted) {
    trusted.delete(op);
    say(`native engine: ${op} of our own is not used on this GPU, TensorFlow's is: ${problem}`);
  }
  return trusted;
}

function trials(addon: Addon, context: Context, floats: (shape: readonly number[]) => TensorId): Trial[] {
  const run = (op: string, inputs: TensorId[], attributes = {}) =>
    addon.execute(
      context,
      op,
      flatten(attributes),
      inputs,
      inputs.map(() => false),
      1,
    )[0] as TensorId;
  const [rows, columns, inner] = [33, 70, 45];
  const products = [false, true].flatMap((a) =>
    [false, true].map((b): Trial => {
      const [x, y] = [floats(a ? [inner, rows] : [rows, inner]), floats(b ? [columns, inner] : [inner, columns])];
      return {
        op: 'multiply',
        own: () => addon.multiply(context, x, y, a, b),
        stock: () => run('MatMul', [x, y], { transpose_a: bool(a), transpose_b: bool(b) }),
        elements: rows * columns,
      };
    }),
  );
  const elementwise = Object.entries(elementwiseOps).flatMap(([name, op]) => {
    const x = floats([inner, 11]);
    const seconds = ofOneTensor.has(name) ? [0] : [floats([inner, 11]), floats([])];
    return seconds.map((y): Trial => {
      return {
        op: 'elementwise',
        own: () => addon.elementwise(context, op, x, y),
        stock: () => run(name, y === 0 ? [x] : [x, y]),
        elements: inner * 11,
      };
    });
  });
  const sums = [
    [9, 5],
    [40_000, 6],
    [1500, 257],
  ].map((shape): Trial => {
    const x = floats(shape);
    const axes = addon.create(context, typeNumber.int32, [1], Int32Array.of(0), true);
    return {
      op: 'columnSums',
      own: () => addon.planeSums(context, x, 1),
      stock: () => {
        const sum = run('Sum', [x, axes], { keep_dims: bool(false) });
        addon.delete(context, axes);
        return sum;
      },
      elements: shape[1] as number,
    };
  });
  return [...products, ...elementwise, ...sums, ...poolings(addon, context, floats), ...losses(addon, context, floats)];
}

function poolings(addon: Addon, context: Context, floats: (shape: readonly number[]) => TensorId): Trial[] {
  return [
    { shape: [2, 9, 7, 8], window: 3, size: [4, 3] },
    { shape: [3, 8, 6, 5], window: 2, size: [4, 3] },
  ].map(({ shape, window, size }): Trial => {
    const x = floats(shape);
    const attributes = { ksize: ints([1, window, window, 1]), strides: ints([1, 2, 2, 1]), padding: text('VALID') };
    return {
      op: 'maxPool',
      own: () => addon.maxPool(context, x, [window, window, 2, 2, 0, 0], size),
      stock: () => addon.execute(context, 'MaxPool', flatten(attributes), [x], [false], 1)[0] as TensorId,
      elements: elementsOf([shape[0] as number, ...size, shape[3] as number]),
    };
  });
}

/** Against sums of the host: TensorFlow refuses its op where all is to be deterministic. */
function losses(addon: Addon, context: Context, floats: (shape: readonly number[]) => TensorId): Trial[] {
  const [rows, classes] = [7, 300];
  const [logits, dy] = [floats([rows, classes]), floats([])];
  const labels = Int32Array.from({ length: rows }, (_, row) => 41 * row);
  const [numbers, scale] = [new Float32Array(rows * classes), new Float32Array(1)];
  addon.read(context, logits, numbers);
  addon.read(context, dy, scale);
  let loss = 0;
  const sums = Array.from(labels, (_, row) =>
    numbers.subarray(row * classes, (row + 1) * classes).reduce((sum, each) => sum + Math.exp(each), 0),
  );
  const gradient = numbers.map((number, at) => {
    const row = Math.floor(at / classes);
    const probability = Math.exp(number) / (sums[row] as number);
    const isLabel = at % classes === labels[row];
    if (isLabel) loss -= Math.log(probability) / rows;
    return ((probability - Number(isLabel)) * scale[0]!) / rows;
  });
  const known = (values: Float32Array, shape: readonly number[]) => () =>
    addon.create(context, typeNumber.float32, shape, values);
  const withLabels = (body: (given: TensorId) => TensorId) => () => {
    const given = addon.create(context, typeNumber.int32, [rows], labels);
    try {
      return body(given);
    } finally {
      addon.delete(context, given);
    }
  };
  return [
    {
      op: 'crossEntropy',
      own: withLabels((given) => addon.crossEntropy(context, logits, given)),
      stock: known(Float32Array.of(loss), []),
      elements: 1,
    },
    {
      op: 'crossEntropy',
      own: withLabels((given) => addon.crossEntropyGrad(context, dy, logits, given)),
      stock: known(gradient, [rows, classes]),
      elements: rows * classes,
    },
  ];
}

/** In words; undefined where there is none. */
function differenceOf(
  addon: Addon,
  context: Context,
  own: () => TensorId,
  stock: () => TensorId,
  elements: number,
): string | undefined {
  const read = (tensor: TensorId) => {
    const values = new Float32Array(elements);
    addon.read(context, tensor, values);
    addon.delete(context, tensor);
    return values;
  };
  const expected = read(stock());
  let found: Float32Array;
  try {
    const made = own();
    if (made === 0) return 'it does not start';
    found = read(made);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] as number))), 0);
  return worst <= tolerance * largest ? undefined : `its results are off by ${worst} of ${largest}`;
}
