import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { EngineError, type HostData } from '../engine.ts';
import { cachePaths } from './cache.ts';
import type { Release } from './release.ts';

/** A TensorFlow eager context with its tensors. */
export interface Context {
  readonly context: unique symbol;
}

/** Number of a tensor in its context. */
export type TensorId = number;

export type AttributeValue = number | boolean | string | readonly number[];

/** Flat list of name, kind, value; kinds: integer, float, bool, type, string, list of integers. */
export type FlatAttributes = readonly AttributeValue[];

/** What the compiled addon exports; see addon/binding.cc. Everything throws {@link AddonError}. */
export interface Addon {
  version(): string;
  /** Names and values for TensorFlow, before its first kernel; what is set already stays. */
  setEnvironment(namesAndValues: readonly string[]): void;
  /**
   * `config` is a serialized ConfigProto; `device` is where ops run and tensors live, '' the CPU with ops left to
   * TensorFlow; `threads` are for kernels of ours on the CPU; `tf32` and `deterministic` are for products on a GPU, and
   * with `ownMib` what kernels of ours make there lies in memory of ours, so much at most.
   */
  createContext(
    config: Uint8Array,
    device: string,
    threads: number,
    tf32?: boolean,
    deterministic?: boolean,
    ownMib?: number,
  ): Context;
  /** Releases the context with all its tensors; using it afterwards throws. */
  destroyContext(context: Context): void;
  /** `onHost`: for arguments that ops want on the host. */
  create(context: Context, type: number, shape: readonly number[], data: HostData, onHost?: boolean): TensorId;
  alias(context: Context, tensor: TensorId, shape: readonly number[]): TensorId;
  /** For each output: tensor, type, consumed input whose memory it took over or -1, number of axes, sizes. */
  execute(
    context: Context,
    op: string,
    attributes: FlatAttributes,
    inputs: readonly TensorId[],
    consumed: readonly boolean[],
    outputs: number,
  ): number[];
  delete(context: Context, tensor: TensorId): void;
  read(context: Context, tensor: TensorId, into: HostData): void;
  /** A tensor of float32 numbers with undefined contents. */
  room(context: Context, elements: number): TensorId;
  /** Numbers will come to a tensor; see Engine.expect. */
  expect(context: Context, tensor: TensorId, first: number, elements: number, vacant: boolean): number;
  bring(context: Context, expected: number, from: Float32Array): boolean;
  settle(context: Context, expected: number): boolean;
  /** Milliseconds. */
  stalled(context: Context): number;
  /**
   * Copies float32 numbers into memory of the host, beside what is computed. `parts`: of each in turn its tensor, the first
   * element there, where it goes and how many there are. Returns a ticket for each lane, 0 where all is there.
   */
  send(context: Context, into: Float32Array, parts: Float64Array): number[];
  arrived(context: Context, ticket: number): boolean;
  wait(context: Context, ticket: number): void;
  /** Page-locks memory that is sent to, filled or updated from, or lets it go. */
  pin(context: Context, memory: HostData, locked: boolean): void;
  /** Tag of an update that met a number that is not finite, or 0. */
  failed(context: Context): number;
  /** What a GPU's memory is taken for, bytes: in use, peak, limit, largest allocation, reserved; `reset` lets the peak begin anew. */
  memory(context: Context, reset: boolean): [number, number, number, number, number];
  trim(context: Context): void;
  /** Marks a place in the order of the calls; marks stay until they are cleared. */
  mark(context: Context): number;
  /** Milliseconds that the device took from one mark to another; waits for both. */
  between(context: Context, from: number, to: number): number;
  clearMarks(context: Context): void;
  bytes(context: Context, tensor: TensorId): number;
  address(context: Context, tensor: TensorId): number;
  /** On a GPU: mean cross entropy of rows of logits with their labels, int32; 0 where the labels are not on the GPU. */
  crossEntropy(context: Context, logits: TensorId, labels: TensorId): TensorId;
  /** Its gradient for the logits; 0 as there. */
  crossEntropyGrad(context: Context, dy: TensorId, logits: TensorId, labels: TensorId): TensorId;
  /**
   * `window`: height and width of the window and of its strides, rows above and columns before the image; `size`: height
   * and width of the result.
   */
  maxPool(context: Context, image: TensorId, window: readonly number[], size: readonly number[]): TensorId;
  /** `window` as in maxPool. */
  maxPoolGrad(context: Context, image: TensorId, dy: TensorId, window: readonly number[], floor: number): TensorId;
  /** Along the axis, in the tensor's own memory. */
  addBias(context: Context, tensor: TensorId, bias: TensorId, relu: boolean, axis: number): void;
  /** For each place of the axis the sum of everything there; on a CPU for the last axis. */
  planeSums(context: Context, tensor: TensorId, axis: number): TensorId;
  /** Product of two matrices; 0 where this device has no way of its own. */
  multiply(context: Context, a: TensorId, b: TensorId, transposeA: boolean, transposeB: boolean): TensorId;
  /** On a GPU; `op` as in own-ops.ts. `b` has as many elements as `a`, or one, and is 0 for ops of one tensor. */
  elementwise(context: Context, op: number, a: TensorId, b: TensorId): TensorId;
  /** Keeps a convolution's sizes, see addon/convolution.h; returns their number. */
  prepareConvolution(context: Context, numbers: readonly number[]): number;
  /** Milliseconds and bytes of workspace of each algorithm in turn, fastest first; none where ops do it. */
  convolutionCosts(context: Context, convolution: number): number[];
  /** Image and filter, upstream and filter, or image and upstream; 0 where this device knows no way. */
  convolve(context: Context, convolution: number, a: TensorId, b: TensorId, mostBytes: number): TensorId;
  /** On a CPU, for small filters and pictures: a convolution, its bias and its ReLU; `window` and `size` as in maxPool. */
  smallConvolution(
    context: Context,
    x: TensorId,
    filter: TensorId,
    window: readonly number[],
    size: readonly number[],
    relu: boolean,
    bias?: TensorId,
  ): TensorId;
  /** On a CPU, for strides of 1; `size` is that of the images. */
  smallConvolutionInputGrad(
    context: Context,
    dy: TensorId,
    filter: TensorId,
    window: readonly number[],
    size: readonly number[],
  ): TensorId;
  /** On a CPU. */
  smallConvolutionFilterGrad(context: Context, x: TensorId, dy: TensorId, window: readonly number[]): TensorId;
  /** Tensors alive. */
  count(context: Context): number;
  /**
   * `request` as update-request.ts fills it in; `sum` where that is on the host. False where not finite; on a GPU that is
   * known later, as `failed`.
   */
  update(context: Context, request: Float64Array, sum?: Float32Array): boolean;
  /** On a GPU: uniform numbers, see fillUniform in ../draw.ts. */
  uniform(context: Context, shape: readonly number[], key: readonly number[], min: number, width: number): TensorId;
  /** On a GPU; `dy2` is 0 where there is none. */
  reluGrad(context: Context, dy: TensorId, y: TensorId, dy2: TensorId): TensorId;
  /** On a GPU. `tensors`: x, gamma, beta, moving mean and variance, maybe one to add to the result; gives y, mean, variance and the new moving ones. */
  batchNorm(
    context: Context,
    tensors: readonly TensorId[],
    epsilon: number,
    relu: boolean,
    momentum: number,
  ): [TensorId, TensorId, TensorId, TensorId, TensorId];
  /** On a GPU. `tensors`: dy, x, gamma, beta, mean, variance; gives dx, dgamma, dbeta. */
  batchNormGrad(
    context: Context,
    tensors: readonly TensorId[],
    epsilon: number,
    relu: boolean,
  ): [TensorId, TensorId, TensorId];
}

/** What the addon throws: `code` names TensorFlow's status, `op` the op that failed, or ''. */
export interface AddonError extends Error {
  code: string;
  op: string;
}

export function isAddonError(error: unknown): error is AddonError {
  return error instanceof Error && 'op' in error && 'code' in error;
}

/** Loads the staged addon. Throws {@link EngineError} `engineMissing` where it is not staged or cannot be loaded. */
export function loadAddon(release: Release, env: Readonly<Record<string, string | undefined>>): Addon {
  const { addon, library } = cachePaths(env, release);
  if (!existsSync(addon) || !existsSync(library)) {
    throw new EngineError(
      'engineMissing',
      'the native engine is not staged here; run npm run native -- ' + release.device,
    );
  }
  let loaded: Addon;
  try {
    loaded = createRequire(import.meta.url)(addon) as Addon;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError(
      'engineMissing',
      `the native engine cannot be loaded (${message}); remove ${addon} and run npm run native -- ${release.device}`,
      { cause: error },
    );
  }
  if (loaded.version() !== release.version) {
    throw new EngineError(
      'engineMissing',
      `the staged TensorFlow is ${loaded.version()} where ${release.version} is expected; remove ${library} and run npm run native -- ${release.device}`,
    );
  }
  return loaded;
}
