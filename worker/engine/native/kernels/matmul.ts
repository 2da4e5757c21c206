import { broadcast_util } from '@tensorflow/tfjs-core';
import { elementsOf } from '../../device.ts';
import { bool } from '../attributes.ts';
import { input, type Kernel, type KernelAttrs, type KernelInputs } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';
import { finishFused } from './activation.ts';

/** BatchMatMul and _FusedMatMul: one product where the operands are matrices, also with leading axes of size 1. */
const matmul: Kernel = (ops, inputs, attrs) => {
  const [a, b] = [input(inputs, 'a'), input(inputs, 'b')];
  const outer = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const rows = a.shape.at(attrs['transposeA'] === true ? -1 : -2) as number;
  const columns = b.shape.at(attrs['transposeB'] === true ? -2 : -1) as number;
  const shape = [...outer, rows, columns];
  if (outer.length === 0) return matrixProduct(ops, { ...inputs, a, b }, attrs, [rows, columns]);
  if (elementsOf(outer) === 1) {
    const flat = [a, b].map((tensor) => ops.alias(tensor, tensor.shape.slice(-2))) as [Tensor, Tensor];
    const product = matrixProduct(ops, { ...inputs, a: flat[0], b: flat[1] }, attrs, [rows, columns]);
    const out = ops.alias(product, shape);
    for (const tensor of [...flat, product]) ops.release(tensor);
    return out;
  }
  const adjoint = { adj_x: bool(attrs['transposeA']), adj_y: bool(attrs['transposeB']) };
  const product = ops.one('BatchMatMulV2', [a, b], { shape, dtype: a.dtype }, adjoint);
  return finishFused(ops, product, inputs, attrs);
};

function matrixProduct(
  ops: Ops,
  inputs: KernelInputs & { a: Tensor; b: Tensor },
  attrs: KernelAttrs,
  shape: readonly number[],
): Tensor {
  const { a, b } = inputs;
  const out = { shape, dtype: a.dtype };
  const transposed = { transpose_a: bool(attrs['transposeA']), transpose_b: bool(attrs['transposeB']) };
  const product =
    ops.product(a, b, attrs['transposeA'] === true, attrs['transposeB'] === true, out) ??
    ops.one('MatMul', [a, b], out, transposed);
  return finishFused(ops, product, inputs, attrs);
}

export const products: ReadonlyMap<string, Kernel> = new Map([
  ['BatchMatMul', matmul],
  ['_FusedMatMul', matmul],
]);
