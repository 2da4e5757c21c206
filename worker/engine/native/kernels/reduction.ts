import { backend_util, util } from '@tensorflow/tfjs-core';
import { bool, type } from '../attributes.ts';
import { input, type Kernel, type KernelAttrs } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';

function axesOf(x: Tensor, attrs: KernelAttrs): number[] {
  // TensorFlow.js names the axes of Max in another way.
  const axes = attrs['axis'] ?? attrs['reductionIndices'];
  return util.parseAxisParam((axes ?? x.shape.map((_, axis) => axis)) as number[], [...x.shape]);
}

function reduce(ops: Ops, op: string, x: Tensor, attrs: KernelAttrs, consumed: readonly Tensor[]): Tensor {
  const axes = axesOf(x, attrs);
  const keepDims = attrs['keepDims'] === true;
  const [reduced] = backend_util.computeOutAndReduceShapes([...x.shape], axes);
  const shape = keepDims ? backend_util.expandShapeToKeepDim(reduced, axes) : reduced;
  const out = { shape, dtype: x.dtype };
  return ops.one(op, [x, ops.constant(axes, 'int32')], out, { keep_dims: bool(keepDims) }, consumed);
}

const reduction =
  (op: string): Kernel =>
  (ops, inputs, attrs) =>
    reduce(ops, op, input(inputs, 'x'), attrs, []);

/** Reductions that TensorFlow.js computes in another element type. */
const converting =
  (op: string, from: readonly string[], to: 'int32' | 'float32'): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    if (!from.includes(x.dtype)) return reduce(ops, op, x, attrs, []);
    const cast = ops.one('Cast', [x], { shape: x.shape, dtype: to }, { SrcT: type(x.dtype), DstT: type(to) });
    return reduce(ops, op, cast, attrs, [cast]);
  };

/**
 * Gradients of biases are a kernel of ours: those over all axes but the last, and on a GPU those over pictures with their
 * channels first, which TensorFlow would transpose first.
 */
const sum: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const left = leftBySums(ops, x);
  const axes = new Set(axesOf(x, attrs));
  const isOverRest = (axis: number) => x.shape.every((_, at) => axes.has(at) !== (at === axis));
  const axis = x.dtype === 'float32' && attrs['keepDims'] !== true ? left.find(isOverRest) : undefined;
  if (axis !== undefined) return ops.planeSums(x, axis);
  return converting('Sum', ['bool'], 'int32')(ops, inputs, attrs);
};

/** Axes of which sums over all others are a kernel of ours. */
function leftBySums(ops: Ops, x: Tensor): number[] {
  const last = x.shape.length > 1 ? [x.shape.length - 1] : [];
  if (ops.device === 'cpu') return last;
  return [...(x.shape.length === 4 ? [1] : []), ...(ops.ownOps.has('columnSums') ? last : [])];
}

const extreme =
  (op: string): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    const [axis] = axesOf(x, attrs);
    const shape = x.shape.filter((_, index) => index !== axis);
    const out = { shape, dtype: 'int32' as const };
    return ops.one(op, [x, ops.constant(axis as number, 'int32')], out, { output_type: type('int32') });
  };

export const reductions: ReadonlyMap<string, Kernel> = new Map([
  ['All', reduction('All')],
  ['Any', reduction('Any')],
  ['ArgMax', extreme('ArgMax')],
  ['ArgMin', extreme('ArgMin')],
  ['Max', reduction('Max')],
  ['Mean', converting('Mean', ['int32', 'bool'], 'float32')],
  ['Min', reduction('Min')],
  ['Prod', converting('Prod', ['bool'], 'int32')],
  ['Sum', sum],
]);
