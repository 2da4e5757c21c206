import type { DType, Node } from '../../graph/graph.ts';
import { elementsOf } from '../device.ts';
import { fillUniform, type Uniform } from '../draw.ts';
import {
  type Algorithm,
  type DeviceMemory,
  type Engine,
  EngineError,
  type EngineSettings,
  type Expected,
  type Handle,
  type HostData,
  type ImageFormat,
  type OptimizerStep,
  type Place,
  type SentPart,
  type Sum,
  type Transfer,
} from '../engine.ts';
import { attempt as attemptHost, ofType } from '../host-data.ts';
import type { Addon, Context } from './addon.ts';
import { numbersOfNode } from './convolution.ts';
import type { Kernel, KernelInputs } from './kernel.ts';
import { kernels } from './kernels/table.ts';
import { engineErrorOf, Ops, type Tensor } from './ops.ts';
import type { OwnOp } from './own-ops.ts';
import { UpdateRequest } from './update-request.ts';

const average = { kind: 'average' } as const;

/** An {@link Engine} over libtensorflow: every kernel is one TensorFlow op, or a few. */
export class NativeEngine implements Engine {
  readonly name = 'native';
  readonly imageFormats: readonly ImageFormat[];
  readonly fetches: boolean;
  /** As kLanes in addon/device.h. */
  readonly lanes = 3;
  private readonly addon: Addon;
  private readonly context: Context;
  private readonly forwarding: ReadonlySet<string>;
  private readonly ops: Ops;
  private readonly request = new UpdateRequest();

  private readonly device: EngineSettings['device'];

  /** `forwarding`: ops that write into the memory of a consumed input, see in-place.ts; `own`: see own-ops.ts. */
  constructor(
    addon: Addon,
    context: Context,
    forwarding: ReadonlySet<string>,
    device: EngineSettings['device'] = 'cpu',
    imageFormats: readonly ImageFormat[] = [],
    deterministic = false,
    own: ReadonlySet<OwnOp> = new Set(),
  ) {
    this.device = device;
    this.imageFormats = imageFormats;
    this.fetches = device === 'gpu';
    this.addon = addon;
    this.context = context;
    this.forwarding = forwarding;
    this.ops = new Ops({ addon, context }, forwarding, device, deterministic, own);
  }

  upload(data: HostData, shape: readonly number[], dtype: DType): Handle {
    if (data.length !== elementsOf(shape)) {
      const made = `a tensor of shape [${shape.join(', ')}]`;
      throw new EngineError('kernelFailed', `${data.length} elements do not make ${made}`);
    }
    return this.ops.upload(ofType(data, dtype), { shape: [...shape], dtype });
  }

  uniform(shape: readonly number[], uniform: Uniform): Handle {
    if (this.device === 'gpu') return this.ops.uniform([...shape], uniform);
    const numbers = new Float32Array(elementsOf(shape));
    fillUniform(uniform, numbers);
    return this.upload(numbers, shape, 'float32');
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

  send(handle: Handle, target: Float32Array, first = 0): Transfer {
    const transfers = this.sendAll([{ handle, first, offset: 0, length: target.length }], target);
    return transfers[0] ?? 0; // one part goes in one lane
  }

  sendAll(parts: readonly SentPart[], target: Float32Array): Transfer[] {
    const rows = new Float64Array(4 * parts.length);
    parts.forEach(({ handle, first, offset, length }, at) => {
      if (handle.dtype !== 'float32')
        throw new EngineError('kernelFailed', `a tensor of ${handle.dtype} is no float32`);
      rows.set([idOf(handle), first, offset, length], 4 * at);
    });
    const tickets = attempt('send', () => this.addon.send(this.context, target, rows));
    return tickets.filter((ticket) => ticket !== 0);
  }

  arrived(transfer: Transfer): boolean {
    return transfer === 0 || attempt('arrived', () => this.addon.arrived(this.context, transfer));
  }

  wait(transfer: Transfer): void {
    if (transfer !== 0) attempt('wait', () => this.addon.wait(this.context, transfer));
  }

  room(elements: number): Handle {
    return this.ops.room(elements);
  }

  expect(tensor: Handle, first: number, elements: number, isVacant: boolean): Expected {
    return attempt('expect', () => this.addon.expect(this.context, idOf(tensor), first, elements, isVacant));
  }

  bring(expected: Expected, from: Float32Array): boolean {
    return attempt('bring', () => this.addon.bring(this.context, expected, from));
  }

  settle(expected: Expected): boolean {
    return attempt('settle', () => this.addon.settle(this.context, expected));
  }

  stalledSeconds(): number {
    return attempt('stalled', () => this.addon.stalled(this.context)) / 1000;
  }

  pin(memory: Float32Array): void {
    attempt('pin', () => this.addon.pin(this.context, memory, true));
  }

  unpin(memory: Float32Array): void {
    attempt('unpin', () => this.addon.pin(this.context, memory, false));
  }

  update(
    variable: Handle,
    slots: readonly Handle[],
    sum: Sum,
    scale: number,
    step: OptimizerStep,
    tag: number,
    first = 0,
  ): boolean {
    return attempt('update', () => {
      const host = this.request.set(variable, slots, sum, scale, step, tag, first);
      return this.addon.update(this.context, this.request.numbers, host);
    });
  }

  average(variable: Handle, sum: Sum, scale: number, tag: number, first = 0): boolean {
    return attempt('average', () => {
      const host = this.request.set(variable, [], sum, scale, average, tag, first);
      return this.addon.update(this.context, this.request.numbers, host);
    });
  }

  failedUpdate(): number | undefined {
    return attempt('update', () => this.addon.failed(this.context)) || undefined;
  }

  deviceMemory(): DeviceMemory | undefined {
    if (this.device === 'cpu') return undefined;
    const [inUse, peak, limit, largest, reserved] = attempt('memory', () => this.addon.memory(this.context, false));
    return { inUse, peak, limit, largest, reserved };
  }

  placeOf(handle: Handle): Place {
    return attempt('place', () => {
      const tensor = idOf(handle);
      return { address: this.addon.address(this.context, tensor), bytes: this.addon.bytes(this.context, tensor) };
    });
  }

  liveBytes(): number {
    return this.ops.meter.live;
  }

  peakBytes(): number {
    return this.ops.meter.peak;
  }

  resetPeak(): void {
    this.ops.meter.peak = this.ops.meter.live;
    if (this.device === 'gpu') attempt('memory', () => this.addon.memory(this.context, true));
  }

  trim(): void {
    if (this.device === 'gpu') attempt('trim', () => this.addon.trim(this.context));
  }

  mark(): number {
    return attempt('mark', () => this.addon.mark(this.context));
  }

  between(from: number, to: number): number {
    return attempt('between', () => this.addon.between(this.context, from, to));
  }

  clearMarks(): void {
    attempt('clearMarks', () => this.addon.clearMarks(this.context));
  }

  runBytes(node: Node, shapes: (id: number) => { shape: readonly number[]; dtype: DType }): number {
    const counting = new Ops(undefined, this.forwarding, this.device, this.ops.deterministic, this.ops.ownOps);
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

  algorithms(node: Node, shapes: (id: number) => { shape: readonly number[] }): readonly Algorithm[] {
    const shapeOf = (name: string) => shapes(node.inputs[name] as number).shape;
    const numbers = this.device === 'gpu' ? numbersOfNode(node.kernel, shapeOf, node.attrs) : undefined;
    if (numbers === undefined) return [];
    return attempt(node.kernel, () => this.ops.algorithms(numbers));
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

function emptyOf({ shape, dtype }: Handle): HostData {
  const length = elementsOf(shape);
  if (dtype === 'int32') return new Int32Array(length);
  return dtype === 'bool' ? new Uint8Array(length) : new Float32Array(length);
}

function attempt<T>(what: string, body: () => T): T {
  return attemptHost(what, () => {
    try {
      return body();
    } catch (error) {
      throw engineErrorOf(what, error);
    }
  });
}
