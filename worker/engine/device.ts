import type { DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import type { DType } from '../graph/graph.ts';
import type { HostData } from './engine.ts';

/** Bytes of distinct live buffers of one device, and their highest sum. */
export class ByteMeter {
  live = 0;
  peak = 0;

  hold(bytes: number): void {
    this.live += bytes;
    if (this.live > this.peak) this.peak = this.live;
  }

  /** Bytes that were held for a moment. */
  brief(bytes: number): void {
    this.hold(bytes);
    this.release(bytes);
  }

  release(bytes: number): void {
    this.live -= bytes;
  }
}

export type KernelInputs = Readonly<Record<string, TensorInfo | readonly TensorInfo[] | undefined>>;
export type KernelAttrs = Readonly<Record<string, unknown>>;

/** A TensorFlow.js backend as kernels written here see it: buffers counted to the byte, data reachable without copies. */
export interface Device {
  readonly name: 'wasm' | 'cpu';
  readonly backend: KernelBackend;
  readonly meter: ByteMeter;
  /** False where only shapes and bytes are tracked: a kernel allocates there as always, but must not touch data. */
  readonly computes: boolean;
  /** A new buffer; its contents are undefined unless `values` are given. */
  make(shape: readonly number[], dtype: DType, values?: HostData): TensorInfo;
  /** The buffer itself, valid until the next allocation. */
  view(info: TensorInfo): HostData;
  /** Where the buffer begins; undefined where it has no address. */
  addressOf(info: TensorInfo): number | undefined;
  /** One more reference to the buffer. */
  retain(info: TensorInfo): void;
  /** One reference less; the last one frees the buffer. */
  release(info: TensorInfo): void;
  /** Runs `body` on a tensor that lies inside the buffer of `info`, from element `start` on; it holds no bytes of its own. */
  withPart<T>(info: TensorInfo, start: number, shape: readonly number[], body: (part: TensorInfo) => T): T;
  /** Tells the backend that the buffer was written behind its back: whatever it derived from the old contents goes. */
  touched(info: TensorInfo): void;
}

/** Float32 contents of a buffer, valid until the next allocation. */
export function floats(device: Device, info: TensorInfo): Float32Array {
  return device.view(info) as Float32Array;
}

/** The same buffer under another shape, without a reference of its own. */
export function reshaped(info: TensorInfo, shape: readonly number[]): TensorInfo {
  return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of one element; TensorFlow.js stores bool in one. */
export function bytesPerElement(dtype: DataType): number {
  return dtype === 'bool' ? 1 : 4;
}
