import type { ImageFormat } from '../engine/engine.ts';
import { type Format, filterFormats } from './format.ts';
import { type Graph, rootOf, type ValueId, type Variable } from './graph.ts';
import { convolutionInput, mannerOf } from './manner.ts';
import { Sheet } from './sheet.ts';

/**
 * Rewrites `graph` for an engine that convolves pictures of format `images` with filters stored as it wants them.
 * Convolutions say their formats in the attributes `dataFormat` and `filterFormat`, poolings theirs in `dataFormat`
 * where it is NCHW; their shapes in attributes stay logical, while those of values are as stored. Whatever else moves no
 * element and mixes no axes follows; the rest stays plain, with a Transpose between, one for each value and format.
 * Loss and outputs are plain. Variables and constants that convolutions read as filters are stored as such;
 * `storedAs` says otherwise of variables: those of a forward graph are stored as training has them.
 */
export function layOut(graph: Graph, images: ImageFormat, storedAs?: (variable: Variable) => Format): Graph {
  const filters = filtersOf(graph);
  const formatFor = (value: ValueId): Format => (filters.has(value) ? filterFormats[images] : 'plain');
  const sheet = new Sheet(graph, images);
  for (const variable of graph.variables)
    sheet.store(variable.value, storedAs?.(variable) ?? formatFor(variable.value));
  for (const { value } of graph.constants) sheet.store(value, formatFor(value));
  for (const node of graph.nodes) sheet.add(node);
  const end = { layer: Math.max(1, graph.layerCount), role: 'forward' } as const;
  const plain = (id: ValueId) => sheet.take(id, 'plain', end);
  return {
    ...graph,
    variables: graph.variables.map((variable) => sheet.variable(variable)),
    constants: graph.constants.map((constant) => sheet.constant(constant)),
    ...(graph.loss !== undefined && { loss: plain(graph.loss) }),
    outputs: graph.outputs.map(plain),
    values: sheet.values,
    nodes: sheet.nodes.map((node, id) => ({ ...node, id })),
  };
}

/** Values that are read as a filter more often than by nodes that want them plain. */
function filtersOf(graph: Graph): Set<ValueId> {
  const balance = new Map<ValueId, number>();
  for (const node of graph.nodes) {
    const manner = mannerOf(graph, node);
    for (const [name, ids] of Object.entries(node.inputs)) {
      for (const id of [ids].flat()) {
        const isFilter = manner === 'convolution' && convolutionInput(name) === 'filter';
        const isPlain = manner === 'plain' || (manner === 'convolution' && !isFilter);
        const root = rootOf(graph, id);
        balance.set(root, (balance.get(root) ?? 0) + Number(isFilter && id === root) - Number(isPlain || id !== root));
      }
    }
  }
  return new Set([...balance].flatMap(([id, count]) => (count > 0 ? [id] : [])));
}
