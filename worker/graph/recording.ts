import type { CaptureBackend, Recorder } from '../engine/capture-backend.ts';
import type { HostData } from '../engine/engine.ts';
import { type Tensor, type TensorInfo, tf } from '../engine/tf.ts';
import type { Constant, DType, Node, Role, Value, ValueId } from './graph.ts';
import { GraphError } from './graph-error.ts';

type Inputs = Readonly<Record<string, TensorInfo | readonly TensorInfo[] | undefined>>;
type Attrs = Readonly<Record<string, unknown>>;

/** Where a weight of the model belongs. */
export interface WeightOrigin {
  name: string;
  /** Index of the owning tf.layers layer in the model. */
  owner: number;
  trainable: boolean;
}

/** A weight that the program has read. */
export interface RecordedWeight extends WeightOrigin {
  value: ValueId;
  shape: readonly number[];
  layer: number;
  initial: Float32Array;
}

/** A random tensor whose distribution is not known yet. */
export interface RecordedDraw {
  value: ValueId;
  seed: number;
  sample: Float32Array;
}

/** Kernels whose output shapes depend on data: they have no place in a graph that is planned before it runs. */
const dataDependent = new Set(
  'Where NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 Unique SparseFillEmptyRows SparseReshape StringSplit StringNGrams SparseSegmentMean SparseSegmentSum SparseToDense ListDiff'.split(
    ' ',
  ),
);

/** Writes down every kernel call of a program as a node. */
export class Recording implements Recorder {
  readonly values: Value[] = [];
  readonly nodes: Node[] = [];
  readonly constants: Constant[] = [];
  readonly draws: RecordedDraw[] = [];
  readonly weights: RecordedWeight[] = [];
  /** Layer of a value: that of the last variables on its way, 0 where there were none. */
  private readonly layers: number[] = [];
  private readonly producers: (Node | undefined)[] = [];
  private readonly ids = new WeakMap<object, ValueId>();
  private readonly scalars = new Map<string, ValueId>();
  private readonly layerOfOwner = new Map<number, number>();
  private readonly backend: CaptureBackend;
  private readonly origins: ReadonlyMap<object, WeightOrigin>;
  /** Role and layer of the nodes recorded from now on. */
  role: Role = 'forward';
  backwardLayer: number | undefined;
  /** The number that Math.random handed out last, until a tensor is made of it. */
  pendingSeed: number | undefined;

  /** `origins` maps the model's weights by the data they hold before the program runs. */
  constructor(backend: CaptureBackend, origins: ReadonlyMap<object, WeightOrigin>) {
    this.backend = backend;
    this.origins = origins;
  }

  get layerCount(): number {
    return this.layerOfOwner.size;
  }

  /** Value that a tensor of the program stands for. */
  valueOf(tensor: Pick<TensorInfo, 'dataId'>): ValueId {
    const known = this.ids.get(tensor.dataId);
    if (known !== undefined) return known;
    this.backend.fetch(tensor.dataId);
    const fetched = this.ids.get(tensor.dataId);
    if (fetched === undefined) throw new GraphError('unsupported', 'a tensor of another capture is used in the model');
    return fetched;
  }

  root(id: ValueId): ValueId {
    return this.values[id]?.aliasOf ?? id;
  }

  producerOf(id: ValueId): Node | undefined {
    return this.producers[id];
  }

  layerOf(id: ValueId): number {
    return this.layers[id] ?? 0;
  }

  /** A new tensor of a value, for code that wants to read it once more. */
  tensorOf(id: ValueId): Tensor {
    const { shape, dtype } = this.values[id] as Value;
    return this.tensor(id, shape, dtype);
  }

  /** A tensor that is neither weight nor constant: what a batch feeds. */
  feed(shape: readonly number[], dtype: DType): Tensor {
    return this.tensor(this.addValue(shape, dtype, 0), shape, dtype);
  }

  private tensor(id: ValueId, shape: readonly number[], dtype: DType): Tensor {
    const info = this.backend.makeOutput([...shape], dtype);
    this.ids.set(info.dataId, id);
    return tf.engine().makeTensorFromTensorInfo(info);
  }

  data(dataId: object, values: HostData, shape: readonly number[], dtype: string): void {
    const origin = this.origins.get(dataId);
    const type = supported(dtype, 'a constant');
    if (origin !== undefined) {
      this.ids.set(dataId, this.addWeight(origin, values as Float32Array, shape));
      return;
    }
    if (this.pendingSeed !== undefined && values.length > 0) {
      const seed = this.pendingSeed;
      this.pendingSeed = undefined;
      const value = this.addValue(shape, type, 0);
      this.draws.push({ value, seed, sample: values as Float32Array });
      this.ids.set(dataId, value);
      return;
    }
    this.ids.set(dataId, this.addConstant(values, shape, type));
  }

  private addWeight(origin: WeightOrigin, initial: Float32Array, shape: readonly number[]): ValueId {
    const layer = this.layerOfOwner.get(origin.owner) ?? this.layerOfOwner.size + 1;
    this.layerOfOwner.set(origin.owner, layer);
    const value = this.addValue(shape, 'float32', layer);
    this.weights.push({ ...origin, value, shape: [...shape], layer, initial });
    return value;
  }

  private addConstant(values: HostData, shape: readonly number[], dtype: DType): ValueId {
    const first = values[0];
    const array =
      dtype === 'float32'
        ? Float32Array.from(values)
        : dtype === 'int32'
          ? Int32Array.from(values)
          : Uint8Array.from(values);
    const uniform = first !== undefined && array.every((value) => value === array[0]);
    if (uniform && array.length > 16) return this.addFill(shape, dtype, array[0] as number);
    const key = shape.length === 0 ? `${dtype} ${String(array[0])}` : undefined;
    const known = key === undefined ? undefined : this.scalars.get(key);
    if (known !== undefined) return known;
    const value = this.addValue(shape, dtype, 0);
    if (key !== undefined) this.scalars.set(key, value);
    this.constants.push({ value, data: array });
    return value;
  }

  /** A tensor of one number: filled when needed rather than kept for ever. */
  private addFill(shape: readonly number[], dtype: DType, value: number): ValueId {
    const id = this.addValue(shape, dtype, 0);
    this.addNode('Fill', {}, { shape: [...shape], value, dtype }, [id]);
    return id;
  }

  read(dataId: object): HostData {
    const id = this.ids.get(dataId);
    const constant = this.constants.find(({ value }) => value === id);
    if (constant !== undefined) return constant.data;
    const kernel = id === undefined ? undefined : this.producers[this.root(id)]?.kernel;
    const what = kernel === undefined ? 'a weight or the batch' : `the result of ${kernel}`;
    throw new GraphError(
      'dataDependent',
      `the graph depends on data: the program reads ${what} while the model is captured; compute with tf ops only, without dataSync(), arraySync() or data()`,
    );
  }

  kernel(name: string, inputs: Inputs, attrs: Attrs): TensorInfo | TensorInfo[] {
    if (dataDependent.has(name)) {
      throw new GraphError(
        'dataDependent',
        `the graph depends on data: the shape of what ${name} returns is known only when it has run; write the model without it`,
      );
    }
    const ids: Record<string, ValueId | ValueId[]> = {};
    for (const [key, tensor] of Object.entries(inputs)) {
      if (tensor === undefined || tensor === null) continue;
      ids[key] = Array.isArray(tensor)
        ? tensor.map((t: TensorInfo) => this.valueOf(t))
        : this.valueOf(tensor as TensorInfo);
    }
    const result = this.backend.shapesOf(name, inputs, attrs);
    const infos = Array.isArray(result) ? result : [result];
    const only = infos[0] as TensorInfo;
    const shared = Object.entries(inputs).find(
      ([, tensor]) => tensor !== undefined && tensor !== null && 'dataId' in tensor && tensor.dataId === only.dataId,
    );
    if (shared !== undefined) return this.alias(ids[shared[0]] as ValueId, only);
    if (name === 'ZerosLike' || name === 'OnesLike') {
      this.ids.set(only.dataId, this.addFill(only.shape, supported(only.dtype, name), name === 'OnesLike' ? 1 : 0));
      return only;
    }
    const layer = Math.max(
      0,
      ...Object.values(ids)
        .flat()
        .map((id) => this.layers[id] ?? 0),
    );
    const outputs = infos.map((info) => this.addValue(info.shape, supported(info.dtype, name), layer));
    infos.forEach((info, index) => this.ids.set(info.dataId, outputs[index] as ValueId));
    this.addNode(name, ids, clean(attrs), outputs);
    return result;
  }

  /** An output that is its input's buffer: the same value where the shape is the same, else a Reshape of the root. */
  private alias(id: ValueId, info: TensorInfo): TensorInfo {
    const known = this.values[id] as Value;
    if (known.shape.length === info.shape.length && known.shape.every((size, axis) => size === info.shape[axis]))
      return info;
    const source = this.root(id);
    const output = this.addValue(info.shape, known.dtype, this.layerOf(id), source);
    this.addNode('Reshape', { x: source }, { shape: [...info.shape] }, [output]);
    const own = this.backend.makeOutput([...info.shape], info.dtype);
    this.ids.set(own.dataId, output);
    return own;
  }

  private addValue(shape: readonly number[], dtype: DType, layer: number, aliasOf?: ValueId): ValueId {
    const id = this.values.length;
    const bytes = shape.reduce((product, size) => product * size, dtype === 'bool' ? 1 : 4);
    this.values.push({
      id,
      shape: [...shape],
      dtype,
      bytes: aliasOf === undefined ? bytes : 0,
      ...(aliasOf !== undefined && { aliasOf }),
    });
    this.layers.push(layer);
    return id;
  }

  private addNode(kernel: string, inputs: Node['inputs'], attrs: Attrs, outputs: ValueId[]): void {
    const layer = this.backwardLayer ?? Math.max(1, ...outputs.map((id) => this.layers[id] ?? 0));
    const node: Node = { id: this.nodes.length, kernel, inputs, attrs, outputs, layer, role: this.role };
    this.nodes.push(node);
    for (const id of outputs) this.producers[id] = node;
  }
}

function supported(dtype: string, what: string): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new GraphError('unsupported', `${what} has element type ${dtype}; float32, int32 and bool can be computed`);
}

function clean(attrs: Attrs): Attrs {
  return Object.fromEntries(Object.entries(attrs).filter(([, value]) => value !== undefined && value !== null));
}
