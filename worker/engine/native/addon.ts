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
  /** `config` is a serialized ConfigProto; `device` places all ops, '' leaves it to TensorFlow; `threads` are for kernels of ours. */
  createContext(config: Uint8Array, device: string, threads: number): Context;
  /** Releases the context with all its tensors; using it afterwards throws. */
  destroyContext(context: Context): void;
  create(context: Context, type: number, shape: readonly number[], data: HostData): TensorId;
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
  write(context: Context, tensor: TensorId, from: HostData): void;
  bytes(context: Context, tensor: TensorId): number;
  address(context: Context, tensor: TensorId): number;
  /** `window`: height and width of the window and of its strides, rows above and columns before the image. */
  maxPoolGrad(context: Context, image: TensorId, dy: TensorId, window: readonly number[], floor: number): TensorId;
  /** In the tensor's own memory. */
  addBias(context: Context, tensor: TensorId, bias: TensorId, relu: boolean): void;
  /** Tensors alive. */
  count(context: Context): number;
  /** `tensors`: the variable, then its slots; `numbers` as addon/binding.cc lists them. False where not finite. */
  update(
    context: Context,
    kind: string,
    tensors: readonly TensorId[],
    sum: Float32Array,
    scale: number,
    numbers: readonly number[],
  ): boolean;
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
    throw new EngineError('engineMissing', 'the native engine is not staged here; run npm run native -- cpu');
  }
  let loaded: Addon;
  try {
    loaded = createRequire(import.meta.url)(addon) as Addon;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError(
      'engineMissing',
      `the native engine cannot be loaded (${message}); remove ${addon} and run npm run native -- cpu`,
      { cause: error },
    );
  }
  if (loaded.version() !== release.version) {
    throw new EngineError(
      'engineMissing',
      `the staged TensorFlow is ${loaded.version()} where ${release.version} is expected; remove ${library} and run npm run native -- cpu`,
    );
  }
  return loaded;
}
