import type { TensorInfo } from '@tensorflow/tfjs-core';
import { broadcast_util } from '@tensorflow/tfjs-core';
import { type Device, elementsOf, floats, type KernelInputs, reshaped } from '../device.ts';
import { call, input, type Kernel, type KernelContext } from '../kernel.ts';
import { transpose } from './permute.ts';

/** Below this many multiplications the stock kernel's scalar loop costs less than preparing for the fast path. */
const smallProduct = 4096;

/**
 * BatchMatMul and _FusedMatMul: the stock kernels are fast only without transposition and batch, so operands are
 * transposed first and batches multiplied one by one.
 */
export function matmul(kernel: 'BatchMatMul' | '_FusedMatMul'): Kernel {
  return (context, inputs, attrs) => {
    const { device } = context;
    const a = straight(device, input(inputs, 'a'), attrs['transposeA'] === true);
    const b = straight(device, input(inputs, 'b'), attrs['transposeB'] === true);
    const plain = { ...attrs, transposeA: false, transposeB: false };
    const out = product(context, kernel, { ...inputs, a: a.info, b: b.info }, plain);
    if (a.temporary) device.release(a.info);
    if (b.temporary) device.release(b.info);
    return out;
  };
}

function product(
  context: KernelContext,
  kernel: string,
  inputs: KernelInputs & { a: TensorInfo; b: TensorInfo },
  attrs: Record<string, unknown>,
): TensorInfo {
  const { device } = context;
  const { a, b } = inputs;
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const columns = b.shape.at(-1);
  const batches = [elementsOf(a.shape.slice(0, -2)), elementsOf(b.shape.slice(0, -2))] as const;
  const count = Math.max(...batches);
  if (count === 1 || rows * inner * columns < smallProduct) {
    if (kernel === 'BatchMatMul' || a.shape.length > 2) return call(context, kernel, inputs, attrs);
    const flat = { ...inputs, a: reshaped(a, [1, rows, inner]), b: reshaped(b, [1, inner, columns]) };
    return reshaped(call(context, kernel, flat, attrs), [rows, columns]);
  }
  const outer = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = device.make([...outer, rows, columns], 'float32');
  for (let i = 0; i < count; i++) {
    const part = device.withPart(a, batches[0] === 1 ? 0 : i * rows * inner, [1, rows, inner], (left) =>
      device.withPart(b, batches[1] === 1 ? 0 : i * inner * columns, [1, inner, columns], (right) =>
        call(context, kernel, { ...inputs, a: left, b: right }, attrs),
      ),
    );
    if (device.computes) floats(device, out).set(floats(device, part), i * rows * columns);
    device.release(part);
  }
  return out;
}

function straight(device: Device, info: TensorInfo, transposed: boolean): { info: TensorInfo; temporary: boolean } {
  if (!transposed) return { info, temporary: false };
  const [rows, columns] = info.shape.slice(-2) as [number, number];
  const outer = info.shape.slice(0, -2);
  if (rows === 1 || columns === 1) return { info: reshaped(info, [...outer, columns, rows]), temporary: false };
  const out = device.make([...outer, columns, rows], 'float32');
  if (device.computes) {
    const source = floats(device, info);
    const target = floats(device, out);
    for (let at = 0; at < source.length; at += rows * columns) {
      transpose(source, { at, rowStride: columns }, target, { at, rowStride: rows }, rows, columns);
    }
  }
  return { info: out, temporary: true };
}
