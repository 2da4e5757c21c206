import type { ImageFormat } from '../engine/engine.ts';
import { type Format, filterFormats, permutation, pictureFormats, storedShape, toStored } from './format.ts';
import { type Constant, type Graph, inputsOf, type Node, type Value, type ValueId, type Variable } from './graph.ts';
import { convolutionInput, convolutionOutput, isOrdered, mannerOf, reducedPlaces } from './manner.ts';

type Needer = Pick<Node, 'layer' | 'role'>;

/** The graph as it is being rewritten: values keep their numbers, copies in other formats come behind them. */
export class Sheet {
  readonly values: Value[];
  readonly nodes: Node[] = [];
  readonly #graph: Graph;
  readonly #images: ImageFormat;
  /** Formats in which values come about; plain where nothing is said. */
  readonly #formats = new Map<ValueId, Format>();
  /** Transposed copies, by value and format. */
  readonly #copies = new Map<string, ValueId>();

  constructor(graph: Graph, images: ImageFormat) {
    this.#graph = graph;
    this.#images = images;
    this.values = [...graph.values];
  }

  /** From now on the value is stored so. */
  store(id: ValueId, format: Format): void {
    const value = this.#logical(id);
    if (format === 'plain' || !isOrdered(value)) return;
    this.#formats.set(id, format);
    this.values[id] = { ...value, shape: storedShape(value.shape, format) };
  }

  /** The value in a format, transposed for `needer` where nobody had it so before. */
  take(id: ValueId, format: Format, { layer, role }: Needer): ValueId {
    if (this.#has(id, format)) return this.#copies.get(`${id} ${format}`) ?? id;
    const { shape, dtype } = this.#logical(id);
    const bytes = shape.reduce((product, size) => product * size, dtype === 'bool' ? 1 : 4);
    const copy = this.values.push({ id: this.values.length, shape: storedShape(shape, format), dtype, bytes }) - 1;
    const attrs = { perm: permutation(this.#formatOf(id), format) };
    this.nodes.push({
      id: this.nodes.length,
      kernel: 'Transpose',
      inputs: { x: id },
      attrs,
      outputs: [copy],
      layer,
      role,
    });
    this.#copies.set(`${id} ${format}`, copy);
    return copy;
  }

  add(node: Node): void {
    const manner = mannerOf(this.#graph, node);
    switch (manner) {
      case 'convolution':
        return this.#convolution(node);
      case 'pooling': {
        const format = this.#shared(node, ['plain', 'NCHW']);
        return this.#push(node, () => format, format, format === 'NCHW' ? { dataFormat: format } : {});
      }
      case 'elementwise': {
        const format = this.#shared(node, ['plain', 'NCHW', 'OHWI', 'OIHW']);
        return this.#push(node, () => format, format);
      }
      case 'reduction':
        return this.#reduction(node);
      case 'plain':
        return this.#push(node, () => 'plain', 'plain');
      default:
        throw new TypeError(`unknown manner ${String(manner satisfies never)}`);
    }
  }

  variable(variable: Variable): Variable {
    const { value, contribution, layer, kind } = variable;
    const stored = this.#formatOf(value);
    const role = kind === 'trained' ? 'weightGradient' : 'forward';
    const taken = this.take(contribution, stored, { layer, role });
    return { ...variable, contribution: taken, ...(stored !== 'plain' && { stored }) };
  }

  constant({ value, data }: Constant): Constant {
    return { value, data: toStored(data, this.#logical(value).shape, this.#formatOf(value)) };
  }

  #convolution(node: Node): void {
    const formats = {
      picture: pictureFormats[this.#images],
      filter: filterFormats[this.#images],
      plain: 'plain',
    } as const;
    const attrs = { dataFormat: this.#images, filterFormat: formats.filter };
    this.#push(node, (name) => formats[convolutionInput(name)], formats[convolutionOutput(node)], attrs);
  }

  #reduction(node: Node): void {
    const x = node.inputs['x'] as ValueId;
    const format = this.#formatOf(x);
    const places = format === 'plain' ? undefined : reducedPlaces(node.attrs, format);
    if (places === undefined) return this.#push(node, () => 'plain', 'plain');
    this.#push(node, () => format, 'plain', { axis: places });
  }

  /** Adds a node with its inputs in the formats wanted by name, and its outputs in one. */
  #push(node: Node, wanted: (name: string) => Format, made: Format, attrs: Node['attrs'] = {}): void {
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([name, ids]) => {
        const take = (id: ValueId) => this.take(id, wanted(name), node);
        return [name, typeof ids === 'number' ? take(ids) : ids.map(take)];
      }),
    );
    this.nodes.push({ ...node, inputs, attrs: { ...node.attrs, ...attrs } });
    for (const id of node.outputs) {
      const { aliasOf } = this.#logical(id);
      if (aliasOf === undefined) this.store(id, made);
      else this.values[id] = { ...this.#logical(id), aliasOf: this.take(aliasOf, 'plain', node) };
    }
  }

  /** Of the `allowed` formats the one in which most inputs are there; not plain where that is the same. */
  #shared(node: Node, allowed: readonly Format[]): Format {
    const ids = inputsOf(node).filter((id) => isOrdered(this.#logical(id)));
    const missing = (format: Format) => ids.filter((id) => !this.#has(id, format)).length;
    const formats = allowed.filter((format) => ids.some((id) => this.#formatOf(id) === format));
    const rank = (format: Format) => 2 * missing(format) + Number(format === 'plain');
    return formats.sort((a, b) => rank(a) - rank(b))[0] ?? 'plain';
  }

  #has(id: ValueId, format: Format): boolean {
    return !isOrdered(this.#logical(id)) || this.#formatOf(id) === format || this.#copies.has(`${id} ${format}`);
  }

  #formatOf(id: ValueId): Format {
    return this.#formats.get(id) ?? 'plain';
  }

  #logical(id: ValueId): Value {
    return this.#graph.values[id] as Value;
  }
}
