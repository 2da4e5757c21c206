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

/** The gradient of a bias over pictures with their channels first, which TensorFlow would transpose first. */
function isOverPlanes(x: Tensor, attrs: KernelAttrs): boolean {
  const isPicture = x.dtype === 'float32' && x.shape.length === 4 && attrs['keepDims'] !== true;
  return (
    isPicture &&
    axesOf(x, attrs)
      .toSorted((a, b) => a - b)
      .join() === '0,2,3'
  );
}

/** Reductions that TensorFlow.js computes in another element type. */
const converting =
  (op: string, from: readonly string[], to: 'int32' | 'float32'): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    if (op === 'Sum' && ops.device === 'gpu' && isOverPlanes(x, attrs)) return ops.planeSums(x, 1);
    if (!from.includes(x.dtype)) return reduce(ops, op, x, attrs, []);
    const cast = ops.one('Cast', [x], { shape: x.shape, dtype: to }, { SrcT: type(x.dtype), DstT: type(to) });
    return reduce(ops, op, cast, attrs, [cast]);
  };

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
  ['Sum', converting('Sum', ['bool'], 'int32')],
]);
