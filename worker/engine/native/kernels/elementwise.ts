import { broadcast_util } from '@tensorflow/tfjs-core';
import { unaryKernels } from '../../../graph/manner.ts';
import { float, int, type } from '../attributes.ts';
import { input, inputList, type Kernel } from '../kernel.ts';
import type { Tensor } from '../ops.ts';

const unary =
  (op: string): Kernel =>
  (ops, inputs) => {
    const x = input(inputs, 'x');
    return ops.eachElement(op, x, undefined, x) ?? ops.one(op, [x], x);
  };

const test =
  (op: string): Kernel =>
  (ops, inputs) => {
    const x = input(inputs, 'x');
    return ops.one(op, [x], { shape: x.shape, dtype: 'bool' });
  };

const binary =
  (op: string, logical = false): Kernel =>
  (ops, inputs) => {
    const [a, b] = [input(inputs, 'a'), input(inputs, 'b')];
    const shape = broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    const out = { shape, dtype: logical ? ('bool' as const) : a.dtype };
    return ops.eachElement(op, a, b, out) ?? ops.one(op, [a, b], out);
  };

const addN: Kernel = (ops, inputs) => {
  const tensors = inputList(inputs);
  const { shape, dtype } = tensors[0] as (typeof tensors)[number];
  const [a, b, ...more] = tensors as [Tensor, Tensor, ...Tensor[]];
  const sum = b !== undefined && more.length === 0 ? ops.eachElement('AddV2', a, b, { shape, dtype }) : undefined;
  if (sum !== undefined) return sum;
  return ops.one('AddN', tensors, { shape, dtype }, { N: int(tensors.length), T: type(dtype) });
};

const clip: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const limits = [attrs['clipValueMin'], attrs['clipValueMax']].map((limit) => ops.constant(limit as number, x.dtype));
  return ops.one('ClipByValue', [x, ...limits], x);
};

const leakyRelu: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  return ops.one('LeakyRelu', [x], x, { alpha: float(attrs['alpha'] as number) });
};

/** x where it is positive, else alpha · x: relu(x) − alpha · relu(−x). */
const prelu: Kernel = (ops, inputs) => {
  const [x, alpha] = [input(inputs, 'x'), input(inputs, 'alpha')];
  const negated = ops.one('Neg', [x], x);
  const below = ops.one('Relu', [negated], x, {}, [negated]);
  const scaled = ops.one('Mul', [below, alpha], x, {}, [below]);
  const above = ops.one('Relu', [x], x);
  const out = ops.one('Sub', [above, scaled], x, {}, [above]);
  ops.release(scaled);
  return out;
};

/** 1 where x is positive, else alpha. */
const step: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const alpha = (attrs['alpha'] as number | undefined) ?? 0;
  const positive = ops.one('Greater', [x, ops.constant(0, x.dtype)], { shape: x.shape, dtype: 'bool' });
  const ones = ops.one('Cast', [positive], x, { SrcT: type('bool'), DstT: type(x.dtype) }, [positive]);
  if (alpha === 0) return ones;
  const scaled = ops.one('Mul', [ones, ops.constant(1 - alpha, x.dtype)], x, {}, [ones]);
  return ops.one('AddV2', [scaled, ops.constant(alpha, x.dtype)], x, {}, [scaled]);
};

const eluGrad: Kernel = (ops, inputs) => {
  const dy = input(inputs, 'dy');
  return ops.one('EluGrad', [dy, input(inputs, 'y')], dy);
};

/** dy where the activation's output y is positive (and below 6 for Relu6), else 0. With `dy2`, of dy + dy2. */
const reluGrad: Kernel = (ops, inputs, attrs) => {
  const [dy, y] = [input(inputs, 'dy'), input(inputs, 'y')];
  const dy2 = inputs['dy2'] as Tensor | undefined;
  const isPlain = attrs['limit'] === undefined;
  if (ops.device === 'gpu' && isPlain) return ops.reluGrad(dy, dy2, y);
  const op = isPlain ? 'ReluGrad' : 'Relu6Grad';
  if (dy2 === undefined) return ops.one(op, [dy, y], dy);
  const sum = ops.one('AddV2', [dy, dy2], dy);
  return ops.one(op, [sum, y], dy, {}, [sum]);
};

const select: Kernel = (ops, inputs) => {
  const [t, e] = [input(inputs, 't'), input(inputs, 'e')];
  return ops.one('Select', [input(inputs, 'condition'), t, e], t);
};

/** Kernels that compute every element by itself. */
export const elementwise: ReadonlyMap<string, Kernel> = new Map<string, Kernel>([
  ...unaryKernels.map((name) => [name, unary(name)] as const), // TensorFlow calls them the same
  ...['IsFinite', 'IsInf', 'IsNan'].map((name) => [name, test(name)] as const),
  ...['Atan2', 'FloorDiv', 'Maximum', 'Minimum', 'Pow', 'RealDiv', 'SquaredDifference', 'Sub'].map(
    (name) => [name, binary(name)] as const,
  ),
  ...['Equal', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr', 'NotEqual'].map(
    (name) => [name, binary(name, true)] as const,
  ),
  ['Add', binary('AddV2')],
  ['AddN', addN],
  ['ClipByValue', clip],
  ['EluGrad', eluGrad],
  ['LeakyRelu', leakyRelu],
  ['LogicalXor', binary('NotEqual', true)],
  ['Mod', binary('FloorMod')],
  ['Multiply', binary('Mul')],
  ['Prelu', prelu],
  ['ReluGrad', reluGrad],
  ['Select', select],
  ['Step', step],
]);
