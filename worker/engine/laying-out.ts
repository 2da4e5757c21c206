import { type Format, filterFormats, permutation, pictureFormats } from '../graph/format.ts';
import type { Node } from '../graph/graph.ts';
import { convolutionInput, convolutionOutput } from '../graph/manner.ts';
import type { Algorithm, Engine, Handle, ImageFormat } from './engine.ts';

type Shapes = Parameters<Engine['runBytes']>[1];

/** What a node says of the formats of its inputs, by name, and of its output. */
interface Formats {
  input: (name: string) => Format;
  output: Format;
}

/**
 * For tests: an engine that computes graphs as layOut rewrites them, by transposing around each convolution and pooling.
 * While a convolution runs it holds its `workspaceBytes`. `algorithmsOf` makes up what a convolution could take.
 */
export function layingOut(
  engine: Engine,
  imageFormats: readonly ImageFormat[],
  algorithmsOf: (node: Node, shapes: Shapes) => readonly Algorithm[] = () => [],
): Engine {
  const changed: Partial<Engine> = {
    imageFormats,
    algorithms: algorithmsOf,
    run(node, inputs) {
      const formats = formatsOf(node);
      if (formats === undefined) return engine.run(node, inputs);
      const workspace = engine.upload(new Float32Array(workspaceElements(node)), [workspaceElements(node)], 'float32');
      const plain: Record<string, Handle> = {};
      for (const [name, handle] of Object.entries(inputs) as [string, Handle][]) {
        plain[name] = transposed(engine, handle, formats.input(name), 'plain') ?? handle;
      }
      const [made] = engine.run(plainNode(node), plain) as [Handle];
      const stored = transposed(engine, made, 'plain', formats.output);
      if (stored !== undefined) engine.free(made);
      for (const [name, handle] of Object.entries(plain)) if (handle !== inputs[name]) engine.free(handle);
      engine.free(workspace);
      return [stored ?? made];
    },
    runBytes(node, shapes) {
      const formats = formatsOf(node);
      if (formats === undefined) return engine.runBytes(node, shapes);
      const format = new Map(Object.entries(node.inputs).map(([name, id]) => [id, formats.input(name)]));
      const logical: Shapes = (id) => {
        const { shape, dtype } = shapes(id);
        return { dtype, shape: permutation(format.get(id) ?? 'plain', 'plain').map((axis) => shape[axis] as number) };
      };
      const plainShapes: Shapes = (id) => (shapes(id).shape.length === 4 ? logical(id) : shapes(id));
      const copies = [...format]
        .filter(([, stored]) => stored !== 'plain')
        .map(([id]) => bytesOf(shapes(id as number)));
      const around = 4 * workspaceElements(node) + copies.reduce((sum, bytes) => sum + bytes, 0);
      const output = node.outputs[0] as number;
      const both = formats.output === 'plain' ? 0 : 2 * bytesOf(shapes(output));
      return around + Math.max(both, engine.runBytes(plainNode(node), plainShapes));
    },
  };
  return Object.assign(Object.create(engine) as Engine, changed);
}

function plainNode(node: Node): Node {
  return { ...node, attrs: { ...node.attrs, dataFormat: 'NHWC' } };
}

function formatsOf(node: Node): Formats | undefined {
  const { kernel, attrs } = node;
  const images = attrs['dataFormat'] as ImageFormat | undefined;
  if (images === undefined) return undefined;
  const picture = pictureFormats[images];
  if (kernel.startsWith('MaxPool')) return { input: () => picture, output: picture };
  const filter = attrs['filterFormat'] as Format | undefined;
  if (filter === undefined) return undefined;
  if (filter !== filterFormats[images]) throw new TypeError(`${kernel} wants filters in ${filter} beside ${images}`);
  const formats = { picture, filter, plain: 'plain' } as const;
  return { input: (name) => formats[convolutionInput(name)], output: formats[convolutionOutput(node)] };
}

function workspaceElements({ attrs }: Node): number {
  return ((attrs['workspaceBytes'] as number | undefined) ?? 0) / 4;
}

/** A transposed copy; undefined where that would be the same. */
function transposed(engine: Engine, x: Handle, from: Format, to: Format): Handle | undefined {
  if (from === to) return undefined;
  const attrs = { perm: permutation(from, to) };
  const node: Node = { id: 0, kernel: 'Transpose', inputs: { x: 0 }, attrs, outputs: [1], layer: 1, role: 'forward' };
  return engine.run(node, { x })[0];
}

function bytesOf({ shape }: { shape: readonly number[] }): number {
  return shape.reduce((product, size) => product * size, 4);
}
