import type { Format } from './format.ts';

/** Element type of a value; bool is stored in one byte, the others in four. */
export type DType = 'float32' | 'int32' | 'bool';

/** Index into {@link Graph.values}. */
export type ValueId = number;

/**
 * One tensor of a step. A value with `aliasOf` shares the buffer of that (root) value and owns no bytes;
 * `bytes` is then 0. Roots never alias further: aliases of aliases point at the root.
 */
export interface Value {
  id: ValueId;
  shape: readonly number[];
  dtype: DType;
  bytes: number;
  aliasOf?: ValueId;
}

export type Role = 'forward' | 'inputGradient' | 'weightGradient';

/**
 * One kernel call. `kernel` is a TensorFlow.js kernel name or one of the lean kernels (engine/lean-kernels.ts);
 * `inputs` are named as TensorFlow.js names them, in call order; `layer` is the order in which forward first uses
 * the layer's variables (1 = needed first) and decides priorities.
 */
export interface Node {
  id: number;
  kernel: string;
  inputs: Readonly<Record<string, ValueId | readonly ValueId[]>>;
  attrs: Readonly<Record<string, unknown>>;
  outputs: readonly ValueId[];
  layer: number;
  role: Role;
}

/**
 * A weight. `trained`: `contribution` is its gradient. `averaged`: the program itself assigns it in forward (moving
 * statistics); `contribution` is the new value, which is averaged over the ranks and stored.
 */
export interface Variable {
  index: number;
  name: string;
  value: ValueId;
  /** Logical; the value's own is as stored. */
  shape: readonly number[];
  layer: number;
  kind: 'trained' | 'averaged';
  contribution: ValueId;
  /** How value and contribution lie in memory; absent: plain. */
  stored?: Format;
}

/** A tensor that is the same in every step; uploaded once. */
export interface Constant {
  value: ValueId;
  data: Float32Array | Int32Array | Uint8Array;
}

/** A per-step random tensor, drawn on the host from (seed, step, rank, its index here): see engine/draw.ts. */
export interface Draw {
  value: ValueId;
  distribution: { kind: 'uniform'; min: number; max: number } | { kind: 'normal'; mean: number; stddev: number };
}

/** What a batch feeds: the x tensors, then the y tensors, in the program's order. */
export interface Feed {
  name: string;
  value: ValueId;
}

/**
 * A training step as data: nodes in the order in which capture and differentiation made them (a valid topological
 * order), forward first. `loss` is a scalar. `outputs` are the model's predictions (forward graphs only need these).
 */
export interface Graph {
  values: readonly Value[];
  nodes: readonly Node[];
  variables: readonly Variable[];
  constants: readonly Constant[];
  draws: readonly Draw[];
  feeds: readonly Feed[];
  loss?: ValueId;
  outputs: readonly ValueId[];
  /** Number of layers; layers are 1 … layerCount. */
  layerCount: number;
}

/** The value that owns the buffer of `id`. */
export function rootOf(graph: Pick<Graph, 'values'>, id: ValueId): ValueId {
  return graph.values[id]?.aliasOf ?? id;
}

/** All values that a node reads, in input order. */
export function inputsOf(node: Node): ValueId[] {
  return Object.values(node.inputs).flatMap((input) => (typeof input === 'number' ? [input] : [...input]));
}
