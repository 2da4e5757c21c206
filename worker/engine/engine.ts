import type { DType, Node } from '../graph/graph.ts';
import type { Uniform } from './draw.ts';

export type EngineName = 'wasm' | 'cpu' | 'native';
export type HostData = Float32Array | Int32Array | Uint8Array;

/** Where and how precisely an engine computes. WASM and cpu know `cpu` and `float32` alone. */
export interface EngineSettings {
  device: 'cpu' | 'gpu';
  /** tf32 rounds the factors of products on a GPU to 10 bits of mantissa and sums in float32. */
  precision: 'float32' | 'tf32';
}

export const hostFloat32: EngineSettings = { device: 'cpu', precision: 'float32' };

/** A tensor on an engine. Handles that share `buffer` share memory; only the engine looks inside `ref`. */
export interface Handle {
  readonly buffer: object;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly ref: unknown;
}

/** Float32 numbers inside a tensor: `length` of them from `offset` on. */
export interface TensorPart {
  readonly handle: Handle;
  readonly offset: number;
  readonly length: number;
}

/** What variables are updated from: memory of the host, or a tensor. */
export type Sum = Float32Array | Handle | TensorPart;

/** A copy on its way to the host; 0 has arrived. See {@link Engine.lanes}. */
export type Transfer = number;

/** `length` elements of a tensor from `first` on, which go to `offset` and what follows. */
export interface SentPart {
  readonly handle: Handle;
  readonly first: number;
  readonly offset: number;
  readonly length: number;
}

/** Numbers that will come from the host. */
export type Expected = number;

/** Bytes; alignment and the library's own workspaces are counted too. */
export interface DeviceMemory {
  inUse: number;
  /** Highest `inUse` since {@link Engine.resetPeak}. */
  peak: number;
  limit: number;
  largest: number;
  reserved: number;
}

/** Where a buffer lies in the memory of its device. */
export interface Place {
  address: number;
  bytes: number;
}

/** Optimizer of one variable; formulas as in TensorFlow.js's optimizers of the same names. */
export type OptimizerStep =
  | { kind: 'sgd'; learningRate: number }
  | { kind: 'momentum'; learningRate: number; momentum: number; nesterov: boolean }
  | { kind: 'adam'; learningRate: number; beta1: number; beta2: number; epsilon: number; step: number };

/** Order of the axes of pictures in memory. */
export type ImageFormat = 'NHWC' | 'NCHW';

/** One way to compute a node, as measured here. */
export interface Algorithm {
  milliseconds: number;
  workspaceBytes: number;
}

/**
 * Where tensors are computed. Nothing is freed but by {@link Engine.free}: the memory plan alone decides lifetimes.
 * Not reentrant; lives on the compute thread. Every call may throw {@link EngineError}.
 */
export interface Engine {
  readonly name: EngineName;
  /** Formats that convolutions are computed in where the graph says which, see graph/layout.ts; none: it stays plain. */
  readonly imageFormats: readonly ImageFormat[];
  /** Tensors are far from the host's memory: what variables are updated from is fetched ahead, see {@link expect}. */
  readonly fetches: boolean;
  /** Copies `data` (row-major) into a new buffer. */
  upload(data: HostData, shape: readonly number[], dtype: DType): Handle;
  /** A new buffer of random numbers, the same on all engines. */
  uniform(shape: readonly number[], uniform: Uniform): Handle;
  /** Runs one kernel; outputs are new buffers, or aliases for Reshape, Identity, ExpandDims and same-type Cast. */
  run(node: Node, inputs: Readonly<Record<string, Handle | readonly Handle[]>>): Handle[];
  /** Releases one handle; the buffer goes with its last handle. */
  free(handle: Handle): void;
  /** A copy of the contents on the host. */
  read(handle: Handle): HostData;
  /**
   * Copies as many elements of a float32 tensor as `target` has, from `first` on, into it, which may be shared memory; may
   * return before the bytes are there, and the tensor is not to be written in place before they are. A device goes on
   * computing meanwhile, unless the tensor is freed before they are there.
   */
  send(handle: Handle, target: Float32Array, first?: number): Transfer;
  /** Sends several parts into one target; returns what has to arrive for all of them to be there. */
  sendAll(parts: readonly SentPart[], target: Float32Array): Transfer[];
  arrived(transfer: Transfer): boolean;
  /** Transfers that are alike but for multiples of this arrive one after the other, the lower first. */
  readonly lanes: number;
  /** Blocks until the transfer has arrived. */
  wait(transfer: Transfer): void;
  /** A new buffer of float32 numbers; its contents are undefined. */
  room(elements: number): Handle;
  /**
   * Numbers will come to a float32 tensor, to `elements` of it from `first` on. `isVacant`: everything that has used that
   * part is known to be over, as it is when it was sent last, and has arrived.
   */
  expect(tensor: Handle, first: number, elements: number, isVacant: boolean): Expected;
  /**
   * Starts copying `from` there, beside what is being computed; false where the place is still in use: it is to be brought
   * later then. `from` must not change until an update from there has happened.
   */
  bring(expected: Expected, from: Float32Array): boolean;
  /**
   * Everything that is asked for later finds the numbers there. A device that computes by itself waits for them even if
   * they are yet to be brought: whoever waits for it must bring them before, and a tensor that is freed before keeps its
   * memory until then. False where they must have been brought.
   */
  settle(expected: Expected): boolean;
  /** For how long a device has stood still for what was settled, of what is known and was not told before. */
  stalledSeconds(): number;
  /** Tells the engine of memory that it will send to and fill or update from, again and again. */
  pin(memory: Float32Array): void;
  unpin(memory: Float32Array): void;
  /**
   * Updates `variable` and its `slots` (float32, same length) in place from `sum`, the sum of all ranks' gradients,
   * times `scale` (1 / worldSize). Returns false when the scaled gradient holds a NaN or an infinity; an engine that
   * computes while it goes on says so later, by {@link failedUpdate} with `tag` (from 1). With `first`, only as many
   * elements as the sum has are updated, from there on.
   */
  update(
    variable: Handle,
    slots: readonly Handle[],
    sum: Sum,
    scale: number,
    step: OptimizerStep,
    tag: number,
    first?: number,
  ): boolean;
  /** `variable` becomes `sum` times `scale`; otherwise like {@link update}. */
  average(variable: Handle, sum: Sum, scale: number, tag: number, first?: number): boolean;
  /** Tag of an update that was not finite and has not been told of; everything asked for before a transfer that has arrived is known. */
  failedUpdate(): number | undefined;
  /** What the device's own allocator says; undefined where there is none. */
  deviceMemory(): DeviceMemory | undefined;
  /** Where the tensor's buffer lies; undefined where buffers have no addresses. */
  placeOf(handle: Handle): Place | undefined;
  /** Bytes of distinct live buffers now. */
  liveBytes(): number;
  /** Highest {@link liveBytes} since the last reset, temporaries inside kernels included. */
  peakBytes(): number;
  resetPeak(): void;
  /** Gives back what was taken for a time and is not in use, as for choosing algorithms. Nothing may be under way. */
  trim(): void;
  /** Marks this place in the order of the calls, for {@link between}; marks stay until they are cleared. */
  mark(): number;
  /** Milliseconds that the device took from one mark to another; waits for both. */
  between(from: number, to: number): number;
  clearMarks(): void;
  /** Bytes that `run(node)` holds at its worst beyond what was alive before it (its outputs and its own temporaries). */
  runBytes(node: Node, shapes: (id: number) => { shape: readonly number[]; dtype: DType }): number;
  /**
   * Ways to compute a convolution, fastest first, measured when asked for the first time; none where there is nothing to
   * choose. The node's attribute `workspaceBytes` says how much the way it is computed may take.
   */
  algorithms(node: Node, shapes: (id: number) => { shape: readonly number[] }): readonly Algorithm[];
  dispose(): void;
}

export type EngineErrorCode = 'kernelMissing' | 'outOfMemory' | 'engineMissing' | 'kernelFailed';

/** A kernel or the engine itself failed; the sentence says what to do. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  readonly retryable: boolean;
  constructor(code: EngineErrorCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? code === 'outOfMemory';
  }
}
