import type { Ops, Tensor } from './ops.ts';

export type KernelInputs = Readonly<Record<string, Tensor | readonly Tensor[] | undefined>>;
export type KernelAttrs = Readonly<Record<string, unknown>>;

/** One kernel of TensorFlow.js, or lean kernel, as TensorFlow ops: returns new tensors (or aliases), releases its temporaries. */
export type Kernel = (ops: Ops, inputs: KernelInputs, attrs: KernelAttrs) => Tensor | Tensor[];

/** A tensor input that the kernel cannot do without. */
export function input(inputs: KernelInputs, name: string): Tensor {
  const tensor = inputs[name];
  if (tensor === undefined || Array.isArray(tensor)) throw new TypeError(`kernel input ${name} is missing`);
  return tensor as Tensor;
}

/** The list of a kernel of many equal inputs. */
export function inputList(inputs: KernelInputs): readonly Tensor[] {
  const tensors = inputs['tensors'];
  if (!Array.isArray(tensors) || tensors.length === 0) throw new TypeError('kernel inputs are missing');
  return tensors as readonly Tensor[];
}
