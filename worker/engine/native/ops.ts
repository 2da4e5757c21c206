import type { DType } from '../../graph/graph.ts';
import { ByteMeter, bytesPerElement, elementsOf } from '../device.ts';
import type { Uniform } from '../draw.ts';
import { type Algorithm, EngineError, type EngineSettings, type Handle, type HostData } from '../engine.ts';
import { type Addon, type Context, isAddonError, type TensorId } from './addon.ts';
import { type Attributes, flatten, typeNumber } from './attributes.ts';
import type { KernelAttrs } from './kernel.ts';
import { elementwiseOps, type OwnOp } from './own-ops.ts';

/** Memory that one or more tensors share. */
interface Buffer {
  readonly bytes: number;
  references: number;
}

/** A tensor of the native engine, which is also the handle that the engine gives out. */
export interface Tensor extends Handle {
  readonly buffer: Buffer;
  readonly ref: TensorId;
}

export interface Spec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** What the tensors are computed with; without one, ops only count bytes. */
export interface Computing {
  addon: Addon;
  context: Context;
}

/**
 * TensorFlow ops over tensors counted to the byte. Ops state what they return; that is what is counted, and it is
 * compared with what TensorFlow returned. Memory that TensorFlow uses inside an op is not counted.
 */
export class Ops {
  readonly meter = new ByteMeter();
  private readonly computing: Computing | undefined;
  private readonly forwarding: ReadonlySet<string>;
  private readonly constants = new Map<string, Tensor>();
  private readonly convolutions = new WeakMap<KernelAttrs, { key: string; number: number | undefined }>();
  /** Tensors made since the kernel began, to be released if it fails. */
  private made: Tensor[] = [];

  /** Where tensors are computed; kernels differ. */
  readonly device: EngineSettings['device'];
  /** No op that TensorFlow would refuse because its bits may differ from run to run. */
  readonly deterministic: boolean;

  /** Kernels of our own that are used instead of TensorFlow's ops. */
  readonly ownOps: ReadonlySet<OwnOp>;

  /** `forwarding`: ops that, given a consumed input, write into its memory; matters where nothing is computed. */
  constructor(
    computing: Computing | undefined,
    forwarding: ReadonlySet<string>,
    device: EngineSettings['device'] = 'cpu',
    deterministic = false,
    ownOps: ReadonlySet<OwnOp> = new Set(),
  ) {
    this.ownOps = ownOps;
    this.deterministic = deterministic;
    this.computing = computing;
    this.forwarding = forwarding;
    this.device = device;
  }

  /** Copies host data of the right type. */
  upload(data: HostData, { shape, dtype }: Spec): Tensor {
    const id = this.call('upload', (addon, context) => addon.create(context, typeNumber[dtype], shape, data, false));
    return this.hold(id, { shape, dtype });
  }

  /** Float32 numbers with undefined contents, to be filled beside what is computed. */
  room(elements: number): Tensor {
    const id = this.call('room', (addon, context) => addon.room(context, elements));
    return this.hold(id, { shape: [elements], dtype: 'float32' });
  }

  /** On a GPU: random numbers. */
  uniform(shape: readonly number[], { key, min, width }: Uniform): Tensor {
    const id = this.call('uniform', (addon, context) => addon.uniform(context, shape, key, min, width));
    return this.hold(id, { shape, dtype: 'float32' });
  }

  /** A small tensor that an op takes as an argument (axes and sizes on the host, or a number); kept for ever, not counted. */
  constant(values: readonly number[] | number, dtype: DType, shape?: readonly number[]): Tensor {
    const list = typeof values === 'number' ? [values] : values;
    const spec = { dtype, shape: shape ?? (typeof values === 'number' ? [] : [list.length]) };
    const key = `${dtype} ${spec.shape.join()} ${list.join()}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const data = dtype === 'float32' ? Float32Array.from(list) : Int32Array.from(list);
    const id = this.call('constant', (addon, context) =>
      addon.create(context, typeNumber[dtype], spec.shape, data, dtype === 'int32'),
    );
    const tensor = { ...spec, buffer: { bytes: 0, references: 1 }, ref: id };
    this.constants.set(key, tensor);
    return tensor;
  }

  /**
   * Runs a TensorFlow op. Tensors in `consumed` must be inputs made by this kernel; they are released, and the op may
   * write into their memory. Outputs without a specification are of no use to anybody and dropped; they come last.
   */
  run(
    op: string,
    inputs: readonly Tensor[],
    outputs: readonly (Spec | undefined)[],
    attributes: Attributes,
    consumed: readonly Tensor[],
  ): Tensor[] {
    const flags = inputs.map((tensor) => consumed.includes(tensor) && tensor.buffer.references === 1);
    const sources = this.computing === undefined ? undefined : this.execute(op, inputs, outputs, attributes, flags);
    const taken = new Set<Buffer>();
    const wanted = outputs.filter((spec) => spec !== undefined);
    const results = wanted.map((spec, at) => {
      const source =
        sources === undefined ? this.predictSource(op, inputs, flags, spec) : (sources[at]?.source as number);
      const id = sources?.[at]?.id ?? 0;
      const buffer = inputs[source]?.buffer;
      if (buffer === undefined || taken.has(buffer)) return this.hold(id, spec);
      taken.add(buffer);
      return this.keep({ ...spec, buffer, ref: id });
    });
    for (const tensor of consumed) {
      const at = inputs.indexOf(tensor);
      if (flags[at] === true) this.forget(tensor, taken);
      else this.release(tensor);
    }
    return results;
  }

  /** {@link run} for ops with one output. */
  one(
    op: string,
    inputs: readonly Tensor[],
    output: Spec,
    attributes: Attributes = {},
    consumed: readonly Tensor[] = [],
  ): Tensor {
    return this.run(op, inputs, [output], attributes, consumed)[0] as Tensor;
  }

  /** A kernel of ours that makes one tensor. */
  own(what: string, out: Spec, body: (addon: Addon, context: Context) => TensorId): Tensor {
    return this.hold(this.call(what, body), out);
  }

  /** Gradient of max pooling over `image`; windows whose largest element is not above `floor` pass nothing on. */
  maxPoolGrad(image: Tensor, dy: Tensor, window: readonly number[], floor: number): Tensor {
    const id = this.call('MaxPoolGrad', (addon, context) =>
      addon.maxPoolGrad(context, image.ref, dy.ref, window, floor),
    );
    const target = this.hold(id, { shape: image.shape, dtype: image.dtype });
    this.meter.brief(this.device === 'gpu' ? winnerBytes(image, dy, window) : 0);
    return target;
  }

  /** Adds a bias along an axis, then takes the ReLU if asked for, in the memory of a tensor that this kernel made. */
  addBias(tensor: Tensor, bias: Tensor, relu: boolean, axis: number): void {
    this.call('BiasAdd', (addon, context) => addon.addBias(context, tensor.ref, bias.ref, relu, axis));
  }

  /** Product of two matrices of float32, by a kernel of our own where one is used and can. */
  product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean, out: Spec): Tensor | undefined {
    if (!this.ownOps.has('multiply') || a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
    return this.ownIfAble('MatMul', out, (addon, context) =>
      addon.multiply(context, a.ref, b.ref, transposeA, transposeB),
    );
  }

  /** A TensorFlow op of one or two tensors, element by element, by a kernel of our own where one is used and can. */
  eachElement(op: string, a: Tensor, b: Tensor | undefined, out: Spec): Tensor | undefined {
    const number = elementwiseOps[op];
    if (number === undefined || !this.ownOps.has('elementwise')) return undefined;
    const isFloat = a.dtype === 'float32' && (b === undefined || b.dtype === 'float32') && out.dtype === 'float32';
    const isAlike = a.shape.join() === out.shape.join();
    const isFitting = b === undefined || b.shape.join() === a.shape.join() || elementsOf(b.shape) === 1;
    if (!isFloat || !isAlike || !isFitting) return undefined;
    const id = this.call(op, (addon, context) => addon.elementwise(context, number, a.ref, b?.ref ?? 0));
    return this.hold(id, out);
  }

  /** Mean over the rows of logits of their cross entropy, by a kernel of our own where one is used and can. */
  crossEntropy(logits: Tensor, labels: Tensor): Tensor | undefined {
    if (!this.hasOwnLoss(logits, labels)) return undefined;
    return this.ownIfAble('loss', { shape: [], dtype: 'float32' }, (addon, context) =>
      addon.crossEntropy(context, logits.ref, labels.ref),
    );
  }

  /** Its gradient for the logits, the same way. */
  crossEntropyGrad(dy: Tensor, logits: Tensor, labels: Tensor): Tensor | undefined {
    if (!this.hasOwnLoss(logits, labels)) return undefined;
    return this.ownIfAble('loss', logits, (addon, context) =>
      addon.crossEntropyGrad(context, dy.ref, logits.ref, labels.ref),
    );
  }

  /** Sums of everything but one axis; on a CPU the last. */
  planeSums(tensor: Tensor, axis: number): Tensor {
    const id = this.call('Sum', (addon, context) => addon.planeSums(context, tensor.ref, axis));
    return this.hold(id, { shape: [tensor.shape[axis] as number], dtype: 'float32' });
  }

  /**
   * Number of the convolution that a kernel with these attributes computes, made once; undefined where `make` says so.
   * Attributes of a kernel that is run again and again are the same object.
   */
  prepared(
    attrs: KernelAttrs,
    image: readonly number[],
    filter: readonly number[],
    make: () => readonly number[] | undefined,
  ): number | undefined {
    const key = `${image.join()} ${filter.join()}`;
    const known = this.convolutions.get(attrs);
    if (known?.key === key) return known.number;
    const numbers = make();
    const number = numbers && this.call('convolution', (addon, context) => addon.prepareConvolution(context, numbers));
    this.convolutions.set(attrs, { key, number });
    return number;
  }

  /** On a GPU: ways to compute a convolution, fastest first. */
  algorithms(convolution: readonly number[]): Algorithm[] {
    const number = this.call('convolution', (addon, context) => addon.prepareConvolution(context, convolution));
    const numbers = this.call('convolution', (addon, context) => addon.convolutionCosts(context, number)) || [];
    return Array.from({ length: numbers.length / 2 }, (_, at) => ({
      milliseconds: numbers[2 * at] as number,
      workspaceBytes: numbers[2 * at + 1] as number,
    }));
  }

  /** On a GPU: a product of a prepared convolution, in `mostBytes` besides; undefined where the GPU knows no way. */
  convolve(convolution: number, given: readonly [Tensor, Tensor], out: Spec, mostBytes: number): Tensor | undefined {
    const [a, b] = given;
    const made = this.ownIfAble('convolution', out, (addon, context) =>
      addon.convolve(context, convolution, a.ref, b.ref, mostBytes),
    );
    if (made !== undefined && mostBytes < Infinity) this.meter.brief(mostBytes);
    return made;
  }

  /** On a GPU: dy, or dy + dy2, where y is above 0. */
  reluGrad(dy: Tensor, dy2: Tensor | undefined, y: Tensor): Tensor {
    const id = this.call('ReluGrad', (addon, context) => addon.reluGrad(context, dy.ref, y.ref, dy2?.ref ?? 0));
    return this.hold(id, dy);
  }

  /** On a GPU: y, mean, variance and the new moving ones from x, gamma, beta, moving mean and variance, and what is added. */
  batchNorm(inputs: readonly Tensor[], epsilon: number, relu: boolean, momentum: number): Tensor[] {
    const refs = inputs.map(({ ref }) => ref);
    const ids = this.call('BatchNorm', (addon, context) => addon.batchNorm(context, refs, epsilon, relu, momentum));
    return [0, 1, 1, 1, 1].map((like, at) => this.hold(ids === 0 ? 0 : ids[at]!, inputs[like]!));
  }

  /** On a GPU: dx, dgamma and dbeta from dy, x, gamma, beta, mean and variance. */
  batchNormGrad(inputs: readonly Tensor[], epsilon: number, relu: boolean): Tensor[] {
    const refs = inputs.map(({ ref }) => ref);
    const ids = this.call('BatchNormGrad', (addon, context) => addon.batchNormGrad(context, refs, epsilon, relu));
    return [1, 2, 2].map((like, at) => this.hold(ids === 0 ? 0 : ids[at]!, inputs[like]!));
  }

  /** The same memory under another shape. */
  alias(tensor: Tensor, shape: readonly number[]): Tensor {
    const id = this.call('Reshape', (addon, context) => addon.alias(context, tensor.ref, shape));
    tensor.buffer.references += 1;
    return this.keep({ shape, dtype: tensor.dtype, buffer: tensor.buffer, ref: id });
  }

  release(tensor: Tensor): void {
    this.call('free', (addon, context) => addon.delete(context, tensor.ref));
    this.drop(tensor);
  }

  /** Runs a kernel; what it made is released if it fails. */
  kernel<T>(body: () => T): T {
    this.made = [];
    try {
      return body();
    } catch (error) {
      for (const tensor of this.made) this.release(tensor);
      throw error;
    } finally {
      this.made = [];
    }
  }

  /** {@link own} where the device has a way of its own: undefined where its kernel gives 0, which is no tensor. */
  private ownIfAble(what: string, out: Spec, body: (addon: Addon, context: Context) => TensorId): Tensor | undefined {
    const id = this.call(what, body);
    return id === 0 && this.computing !== undefined ? undefined : this.hold(id, out);
  }

  private hasOwnLoss(logits: Tensor, labels: Tensor): boolean {
    const [rows = 0, classes = 0, ...more] = logits.shape;
    const isOfRows = rows > 0 && classes > 0 && more.length === 0 && labels.shape.join() === String(rows);
    return this.ownOps.has('crossEntropy') && isOfRows && labels.dtype === 'int32' && logits.dtype === 'float32';
  }

  private execute(
    op: string,
    inputs: readonly Tensor[],
    outputs: readonly (Spec | undefined)[],
    attributes: Attributes,
    flags: readonly boolean[],
  ): { id: TensorId; source: number }[] {
    const ids = inputs.map(({ ref }) => ref);
    const numbers = this.call(op, (addon, context) =>
      addon.execute(context, op, flatten(attributes), ids, flags, outputs.length),
    ) as number[];
    let at = 0;
    return outputs.map((spec) => {
      const [id, type, source, axes] = numbers.slice(at, at + 4) as [number, number, number, number];
      const shape = numbers.slice(at + 4, at + 4 + axes);
      at += 4 + axes;
      if (spec === undefined) {
        this.call(op, (addon, context) => addon.delete(context, id));
      } else if (type !== typeNumber[spec.dtype] || shape.join() !== spec.shape.join()) {
        const [found, expected] = [shape, spec.shape].map((list) => `[${list.join(', ')}]`);
        throw new EngineError('kernelFailed', `${op} returned ${found} instead of ${expected}`);
      }
      return { id, source };
    });
  }

  private predictSource(op: string, inputs: readonly Tensor[], flags: readonly boolean[], spec: Spec): number {
    if (!this.forwarding.has(op)) return -1;
    return inputs.findIndex(({ buffer }, at) => flags[at] === true && buffer.bytes === bytesOf(spec));
  }

  private hold(id: TensorId, spec: Spec): Tensor {
    const buffer = { bytes: bytesOf(spec), references: 1 };
    this.meter.hold(buffer.bytes);
    return this.keep({ shape: spec.shape, dtype: spec.dtype, buffer, ref: id });
  }

  private keep(tensor: Tensor): Tensor {
    this.made.push(tensor);
    return tensor;
  }

  private drop(tensor: Tensor): void {
    tensor.buffer.references -= 1;
    if (tensor.buffer.references === 0) this.meter.release(tensor.buffer.bytes);
    const at = this.made.indexOf(tensor);
    if (at >= 0) this.made.splice(at, 1);
  }

  /** A consumed tensor: its id is gone, its memory too unless an output has taken it over. */
  private forget(tensor: Tensor, taken: ReadonlySet<Buffer>): void {
    const at = this.made.indexOf(tensor);
    if (at >= 0) this.made.splice(at, 1);
    if (!taken.has(tensor.buffer)) this.drop(tensor);
  }

  private call<T>(what: string, body: (addon: Addon, context: Context) => T): T | 0 {
    if (this.computing === undefined) return 0;
    try {
      return body(this.computing.addon, this.computing.context);
    } catch (error) {
      throw engineErrorOf(what, error);
    }
  }
}

export function engineErrorOf(what: string, error: unknown): unknown {
  if (!isAddonError(error)) return error;
  const name = error.op === '' || error.op === what ? what : `${what} (${error.op})`;
  if (error.code === 'RESOURCE_EXHAUSTED') {
    return new EngineError('outOfMemory', `no memory left while running ${name}; use a smaller batch or more ranks`, {
      cause: error,
    });
  }
  return new EngineError('kernelFailed', `${name} failed: ${error.message.split('\n')[0]}`, { cause: error });
}

function bytesOf({ shape, dtype }: Spec): number {
  return elementsOf(shape) * bytesPerElement(dtype);
}

/** What the gradient of pooling with overlapping windows keeps on a GPU while it runs: two bytes a window. */
function winnerBytes(image: Tensor, dy: Tensor, [height, width, down, right]: readonly number[]): number {
  const isQuartering =
    [height, width, down, right].every((size) => size === 2) &&
    image.shape[1] === 2 * (dy.shape[1] as number) &&
    image.shape[2] === 2 * (dy.shape[2] as number);
  return isQuartering ? 0 : 2 * elementsOf(dy.shape);
}
