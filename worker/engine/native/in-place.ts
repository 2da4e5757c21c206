import { elementsOf } from '../device.ts';
import type { Addon, Context } from './addon.ts';
import { typeNumber } from './attributes.ts';

/** Ops that kernels here give consumed inputs to, with the number of their inputs. */
const candidates: Readonly<Record<string, number>> = {
  AddV2: 2,
  BiasAdd: 2,
  Elu: 1,
  LeakyRelu: 1,
  Mul: 2,
  Neg: 1,
  Relu: 1,
  Relu6: 1,
  Relu6Grad: 2,
  ReluGrad: 2,
  Rsqrt: 1,
  Sigmoid: 1,
  Sub: 2,
  Tanh: 1,
};

/** Tries which ops write their output into the memory of a consumed first input: the byte ledger builds on it. */
export function opsInPlace(addon: Addon, context: Context): Set<string> {
  const inPlace = new Set<string>();
  for (const [op, count] of Object.entries(candidates)) {
    const create = (shape: number[]) =>
      addon.create(context, typeNumber.float32, shape, new Float32Array(elementsOf(shape)));
    const inputs = Array.from({ length: count }, (_, at) => create(op === 'BiasAdd' && at === 1 ? [8] : [8, 8]));
    const [output, , source] = addon.execute(context, op, [], inputs, [true], 1) as [number, number, number];
    if (source === 0) inPlace.add(op);
    addon.delete(context, output);
    for (const other of inputs.slice(1)) addon.delete(context, other);
  }
  return inPlace;
}
