import type { DType, Node } from '../../graph/graph.ts';
import { elementsOf } from '../device.ts';
import { type Engine, EngineError, type Handle, type HostData, type OptimizerStep } from '../engine.ts';
import type { Addon, Context } from './addon.ts';
import type { Kernel, KernelInputs } from './kernel.ts';
import { kernels } from './kernels/table.ts';
import { engineErrorOf, Ops, type Tensor } from './ops.ts';

/** An {@link Engine} over libtensorflow: every kernel is one TensorFlow op, or a few. */
export class NativeEngine implements Engine {
  readonly name = 'native';
  private readonly addon: Addon;
  private readonly context: Context;
  private readonly forwarding: ReadonlySet<string>;
  private readonly ops: Ops;

  /** `forwarding`: ops that write into the memory of a consumed input; see in-place.ts. */
  constructor(addon: Addon, context: Context, forwarding: ReadonlySet<string>) {
    this.addon = addon;
    this.context = context;
    this.forwarding = forwarding;
    this.ops = new Ops({ addon, context }, forwarding);
  }

  upload(data: HostData, shape: readonly number[], dtype: DType): Handle {
    if (data.length !== elementsOf(shape)) {
      const made = `a tensor of shape [${shape.join(', ')}]`;
      throw new EngineError('kernelFailed', `${data.length} elements do not make ${made}`);
    }
    return this.ops.upload(ofType(data, dtype), { shape: [...shape], dtype });
  }

  write(handle: Handle, data: HostData): void {
    const length = elementsOf(handle.shape);
    if (data.length !== length) {
      throw new EngineError('kernelFailed', `${data.length} elements written into a tensor of ${length}`);
    }
    attempt('write', () => this.addon.write(this.context, idOf(handle), ofType(data, handle.dtype)));
  }

  run(node: Node, inputs: Readonly<Record<string, Handle | readonly Handle[]>>): Handle[] {
    return runKernel(this.ops, node, inputs as KernelInputs);
  }

  free(handle: Handle): void {
    this.ops.release(handle as Tensor);
  }

  read(handle: Handle): HostData {
    const data = emptyOf(handle);
    attempt('read', () => this.addon.read(this.context, idOf(handle), data));
    return data;
  }

  readInto(handle: Handle, target: Float32Array): void {
    if (handle.dtype !== 'float32') throw new EngineError('kernelFailed', `a tensor of ${handle.dtype} is no float32`);
    attempt('readInto', () => this.addon.read(this.context, idOf(handle), target));
  }

  update(variable: Handle, slots: readonly Handle[], sum: Float32Array, scale: number, step: OptimizerStep): boolean {
    const ids = [variable, ...slots].map(idOf);
    return attempt('update', () => this.addon.update(this.context, step.kind, ids, sum, scale, optimizerNumbers(step)));
  }

  liveBytes(): number {
    return this.ops.meter.live;
  }

  peakBytes(): number {
    return this.ops.meter.peak;
  }

  resetPeak(): void {
    this.ops.meter.peak = this.ops.meter.live;
  }

  runBytes(node: Node, shapes: (id: number) => { shape: readonly number[]; dtype: DType }): number {
    const counting = new Ops(undefined, this.forwarding);
    const made = new Map<number, Tensor>();
    const tensorOf = (id: number): Tensor => {
      const { shape, dtype } = shapes(id);
      const tensor = made.get(id) ?? counting.upload(new Float32Array(), { shape, dtype });
      made.set(id, tensor);
      return tensor;
    };
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([name, ids]) => [
        name,
        typeof ids === 'number' ? tensorOf(ids) : ids.map(tensorOf),
      ]),
    );
    const before = counting.meter.live;
    counting.meter.peak = before;
    runKernel(counting, node, inputs);
    return counting.meter.peak - before;
  }

  dispose(): void {
    this.addon.destroyContext(this.context);
  }
}

function runKernel(ops: Ops, node: Node, inputs: KernelInputs): Tensor[] {
  const kernel: Kernel | undefined = kernels.get(node.kernel);
  if (kernel === undefined) {
    throw new EngineError('kernelMissing', `the native engine has no ${node.kernel}; write the model without it`);
  }
  return attempt(node.kernel, () => ops.kernel(() => [kernel(ops, inputs, node.attrs)].flat()));
}

function idOf(handle: Handle): number {
  return (handle as Tensor).ref;
}

/** What the addon's update takes besides tensors; see addon/binding.cc. */
function optimizerNumbers(step: OptimizerStep): number[] {
  switch (step.kind) {
    case 'sgd':
      return [step.learningRate];
    case 'momentum':
      return [step.learningRate, step.momentum, Number(step.nesterov)];
    case 'adam': {
      const { learningRate, beta1, beta2, epsilon } = step;
      return [learningRate, beta1, beta2, epsilon, 1 / (1 - beta1 ** step.step), 1 / (1 - beta2 ** step.step)];
    }
    default:
      throw new TypeError(`unknown optimizer ${JSON.stringify(step satisfies never)}`);
  }
}

function emptyOf({ shape, dtype }: Handle): HostData {
  const length = elementsOf(shape);
  if (dtype === 'int32') return new Int32Array(length);
  return dtype === 'bool' ? new Uint8Array(length) : new Float32Array(length);
}

/** The same numbers in the array type of `dtype`. */
function ofType(data: HostData, dtype: DType): HostData {
  switch (dtype) {
    case 'float32':
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case 'int32':
      return data instanceof Int32Array ? data : Int32Array.from(data);
    case 'bool':
      return data instanceof Uint8Array ? data : Uint8Array.from(data);
    default:
      return dtype satisfies never;
  }
}

function attempt<T>(what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const known = engineErrorOf(what, error);
    if (known instanceof EngineError) throw known;
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError('kernelFailed', `${what} failed: ${message}`, { cause: error });
  }
}
