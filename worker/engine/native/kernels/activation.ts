import { float } from '../attributes.ts';
import { isChannelsFirst } from '../convolution.ts';
import type { KernelAttrs, KernelInputs } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';
import { elementwise } from './elementwise.ts';

const opOf: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
};

/** Adds the bias of a fused kernel and applies its activation, in the memory of `product`, which is released. */
export function finishFused(ops: Ops, product: Tensor, inputs: KernelInputs, attrs: KernelAttrs): Tensor {
  const bias = inputs['bias'] as Tensor | undefined;
  const activation = (attrs['activation'] as string | undefined) ?? 'linear';
  let out = product;
  const axis = isChannelsFirst(attrs) ? 1 : out.shape.length - 1;
  if (bias?.shape.length === 1 && bias.shape[0] === out.shape[axis]) {
    ops.addBias(out, bias, activation === 'relu', axis);
    if (activation === 'relu') return out;
  } else if (bias !== undefined) {
    out = ops.one('AddV2', [out, bias], out, {}, [out]);
  }
  if (activation === 'linear') return out;
  if (activation === 'prelu') {
    const kernel = elementwise.get('Prelu');
    const activated = kernel?.(ops, { x: out, alpha: inputs['preluActivationWeights'] }, {}) as Tensor;
    ops.release(out);
    return activated;
  }
  const op = opOf[activation];
  if (op === undefined) throw new TypeError(`there is no activation ${activation}`);
  const alpha = attrs['leakyreluAlpha'] as number | undefined;
  return ops.one(op, [out], out, op === 'LeakyRelu' ? { alpha: float(alpha ?? 0.2) } : {}, [out]);
}
