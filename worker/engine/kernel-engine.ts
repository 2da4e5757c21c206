import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DType, Node } from '../graph/graph.ts';
import { bytesPerElement, type Device, elementsOf, floats } from './device.ts';
import { fillUniform, type Uniform } from './draw.ts';
import {
  type Algorithm,
  type Engine,
  EngineError,
  type EngineName,
  type Expected,
  type Handle,
  type HostData,
  type OptimizerStep,
  type Place,
  type SentPart,
  type Sum,
  type Transfer,
} from './engine.ts';
import { attempt, ofType } from './host-data.ts';
import { runKernel } from './kernel-table.ts';
import { applyMean, applyUpdate } from './optimizer.ts';

/** Numbers that will come to a part of a tensor. */
interface Coming {
  tensor: Handle;
  first: number;
  elements: number;
  isThere: boolean;
}

type Inputs = Readonly<Record<string, Handle | readonly Handle[]>>;

/** An {@link Engine} that calls kernels on a device directly: no Tensor objects, no tidy, no tape. */
export class KernelEngine implements Engine {
  readonly name: EngineName;
  readonly imageFormats = [];
  readonly fetches = false;
  readonly lanes = 1;
  private readonly device: Device;
  private readonly measure: (body: (device: Device) => void) => void;
  private readonly clock: () => number;
  private marks: number[] = [];
  private readonly expected = new Map<Expected, Coming>();
  private told = 0;

  /**
   * `measure` runs a body on a device of the same kind whose meter starts at 0, without arithmetic where it can;
   * `clock` says monotonic milliseconds.
   */
  constructor(device: Device, measure: (body: (device: Device) => void) => void, clock: () => number) {
    this.name = device.name;
    this.device = device;
    this.measure = measure;
    this.clock = clock;
  }

  upload(data: HostData, shape: readonly number[], dtype: DType): Handle {
    if (data.length !== elementsOf(shape)) {
      throw new EngineError(
        'kernelFailed',
        `${data.length} elements do not make a tensor of shape [${shape.join(', ')}]`,
      );
    }
    return attempt('upload', () => handleOf(this.device.make(shape, dtype, ofType(data, dtype))));
  }

  uniform(shape: readonly number[], uniform: Uniform): Handle {
    const handle = attempt('uniform', () => handleOf(this.device.make(shape, 'float32')));
    fillUniform(uniform, floats(this.device, infoOf(handle)));
    return handle;
  }

  run(node: Node, inputs: Inputs): Handle[] {
    return attempt(node.kernel, () =>
      [runKernel(this.device, node.kernel, infosOf(inputs), node.attrs)].flat().map(handleOf),
    );
  }

  free(handle: Handle): void {
    this.device.release(infoOf(handle));
  }

  read(handle: Handle): HostData {
    return this.device.view(infoOf(handle)).slice();
  }

  send(handle: Handle, target: Float32Array, first = 0): Transfer {
    refusePart(handle, first, target.length);
    target.set(this.partOf(handle, first, target.length));
    return 0;
  }

  sendAll(parts: readonly SentPart[], target: Float32Array): Transfer[] {
    for (const { handle, first, offset, length } of parts) {
      this.send(handle, target.subarray(offset, offset + length), first);
    }
    return [];
  }

  arrived(): boolean {
    return true;
  }

  wait(): void {
    // Everything has happened when a call returns.
  }

  room(elements: number): Handle {
    return attempt('room', () => handleOf(this.device.make([elements], 'float32')));
  }

  expect(tensor: Handle, first: number, elements: number): Expected {
    refusePart(tensor, first, elements);
    this.told += 1;
    this.expected.set(this.told, { tensor, first, elements, isThere: false });
    return this.told;
  }

  bring(expected: Expected, from: Float32Array): boolean {
    const coming = this.comingAs(expected);
    const { tensor, first, elements, isThere } = coming;
    if (isThere || from.length !== elements) {
      throw new EngineError('kernelFailed', `${elements} numbers are expected once, not ${from.length} again`);
    }
    this.partOf(tensor, first, elements).set(from);
    coming.isThere = true;
    return true;
  }

  settle(expected: Expected): boolean {
    if (!this.comingAs(expected).isThere) return false;
    this.expected.delete(expected);
    return true;
  }

  stalledSeconds(): number {
    return 0;
  }

  pin(): void {
    // No memory is far away.
  }

  unpin(): void {
    // Nothing was pinned.
  }

  update(
    variable: Handle,
    slots: readonly Handle[],
    sum: Sum,
    scale: number,
    step: OptimizerStep,
    _tag: number,
    first = 0,
  ): boolean {
    const numbers = this.numbersOf(sum);
    const views = slots.map((slot) => this.partOf(slot, first, numbers.length));
    const finite = applyUpdate(this.partOf(variable, first, numbers.length), views, numbers, scale, step);
    this.device.touched(infoOf(variable));
    return finite;
  }

  average(variable: Handle, sum: Sum, scale: number, _tag: number, first = 0): boolean {
    const numbers = this.numbersOf(sum);
    const finite = applyMean(this.partOf(variable, first, numbers.length), numbers, scale);
    this.device.touched(infoOf(variable));
    return finite;
  }

  failedUpdate(): undefined {
    return undefined;
  }

  deviceMemory(): undefined {
    return undefined;
  }

  placeOf(handle: Handle): Place | undefined {
    const address = this.device.addressOf(infoOf(handle));
    return address === undefined
      ? undefined
      : { address, bytes: elementsOf(handle.shape) * bytesPerElement(handle.dtype) };
  }

  liveBytes(): number {
    return this.device.meter.live;
  }

  peakBytes(): number {
    return this.device.meter.peak;
  }

  resetPeak(): void {
    this.device.meter.peak = this.device.meter.live;
  }

  trim(): void {}

  mark(): number {
    return this.marks.push(this.clock()) - 1;
  }

  between(from: number, to: number): number {
    const [start, end] = [this.marks[from], this.marks[to]];
    if (start === undefined || end === undefined) throw new EngineError('kernelFailed', 'there is no such mark');
    return end - start;
  }

  clearMarks(): void {
    this.marks = [];
  }

  runBytes(node: Node, shapes: (id: number) => { shape: readonly number[]; dtype: DType }): number {
    let bytes = 0;
    this.measure((device) => {
      const made = new Map<number, TensorInfo>();
      const infoFor = (id: number): TensorInfo => {
        const known = made.get(id);
        if (known !== undefined) return known;
        const { shape, dtype } = shapes(id);
        const info = device.make(shape, dtype);
        made.set(id, info);
        return info;
      };
      const inputs = Object.fromEntries(
        Object.entries(node.inputs).map(([name, ids]) => [
          name,
          typeof ids === 'number' ? infoFor(ids) : ids.map(infoFor),
        ]),
      );
      const before = device.meter.live;
      device.meter.peak = before;
      attempt(node.kernel, () => runKernel(device, node.kernel, inputs, node.attrs));
      bytes = device.meter.peak - before;
    });
    return bytes;
  }

  algorithms(): readonly Algorithm[] {
    return [];
  }

  private numbersOf(sum: Sum): Float32Array {
    if (sum instanceof Float32Array) return sum;
    if (!('handle' in sum)) return floats(this.device, infoOf(sum));
    return this.partOf(sum.handle, sum.offset, sum.length);
  }

  private comingAs(expected: Expected): Coming {
    const coming = this.expected.get(expected);
    if (coming === undefined) throw new EngineError('kernelFailed', `nothing is expected as ${expected}`);
    return coming;
  }

  private partOf(handle: Handle, first: number, length: number): Float32Array {
    return floats(this.device, infoOf(handle)).subarray(first, first + length);
  }

  dispose(): void {
    // Buffers belong to their handles; the backend itself is shared by the process.
  }
}

function handleOf(info: TensorInfo): Handle {
  return { buffer: info.dataId, shape: info.shape, dtype: info.dtype as DType, ref: info };
}

function infoOf(handle: Handle): TensorInfo {
  return handle.ref as TensorInfo;
}

function infosOf(inputs: Inputs): Record<string, TensorInfo | TensorInfo[]> {
  const infos: Record<string, TensorInfo | TensorInfo[]> = {};
  for (const name of Object.keys(inputs)) {
    const handle = inputs[name] as Handle | readonly Handle[];
    infos[name] = Array.isArray(handle) ? handle.map(infoOf) : infoOf(handle as Handle);
  }
  return infos;
}

function refusePart({ shape, dtype }: Handle, first: number, length: number): void {
  if (dtype === 'float32' && first >= 0 && first + length <= elementsOf(shape)) return;
  throw new EngineError('kernelFailed', `a tensor has no ${length} floats from ${first} on`);
}
