import { type Graph, inputsOf, type Node, type ValueId } from './graph.ts';

/**
 * Joins nodes whose intermediate results nobody else reads: a convolution or matrix product with the bias and the
 * ReLU behind it, batch normalisation with the shortcut that is added and the ReLU, and the gradients of such pairs. Fewer
 * passes, fewer buffers.
 */
export function fuse(graph: Graph): Graph {
  const joined = fuseOnce(fuseOnce(fuseOnce(graph, poolingGradient), bias), activation);
  return [normalisationGradient, residual, normalisation, sharedGradient].reduce(fuseOnce, joined);
}

/** Given a node and the only producer of one of its inputs: both in one, or undefined where they do not join. */
type Join = (
  graph: Graph,
  node: Node,
  producer: (id: ValueId) => Node | undefined,
) => { joined: Node; replaced: Node } | undefined;

function fuseOnce(graph: Graph, join: Join): Graph {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const readers = readerCounts(graph);
  const only = (id: ValueId) => (readers.get(id) === 1 ? producers.get(id) : undefined);
  const gone = new Set<Node>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const found = join(graph, node, only);
    if (found !== undefined) gone.add(found.replaced);
    nodes.push(found?.joined ?? node);
  }
  return { ...graph, nodes: nodes.filter((node) => !gone.has(node)).map((node, id) => ({ ...node, id })) };
}

/** How often each value is read: by nodes, through aliases, as an output, as a contribution. */
function readerCounts(graph: Graph): Map<ValueId, number> {
  const counts = new Map<ValueId, number>();
  const read = (id: ValueId) => counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const node of graph.nodes) inputsOf(node).forEach(read);
  for (const value of graph.values) if (value.aliasOf !== undefined) read(value.aliasOf);
  graph.outputs.forEach(read);
  for (const variable of graph.variables) read(variable.contribution);
  if (graph.loss !== undefined) read(graph.loss);
  return counts;
}

const fusedKernel: Readonly<Record<string, string>> = { Conv2D: 'FusedConv2D', BatchMatMul: '_FusedMatMul' };

/** Conv2D or BatchMatMul, then Add of a vector as long as the last axis. */
const bias: Join = (graph, node, only) => {
  if (node.kernel !== 'Add') return undefined;
  const [a, b] = [node.inputs['a'] as ValueId, node.inputs['b'] as ValueId];
  const replaced = only(a);
  const kernel = fusedKernel[replaced?.kernel ?? ''];
  if (replaced === undefined || kernel === undefined || !isBias(graph, a, b)) return undefined;
  const attrs = { ...replaced.attrs, activation: 'linear' };
  const layer = Math.max(node.layer, replaced.layer);
  return { replaced, joined: { ...node, kernel, inputs: { ...replaced.inputs, bias: b }, attrs, layer } };
};

function isBias(graph: Graph, sum: ValueId, addend: ValueId): boolean {
  const shape = graph.values[addend]?.shape ?? [];
  return shape.length === 1 && shape[0] === graph.values[sum]?.shape.at(-1);
}

/** The same, then ReLU. */
const activation: Join = (_graph, node, only) => {
  if (node.kernel !== 'Relu') return undefined;
  const replaced = only(node.inputs['x'] as ValueId);
  if (replaced === undefined || !Object.values(fusedKernel).includes(replaced.kernel)) return undefined;
  if (replaced.attrs['activation'] !== 'linear') return undefined;
  const { kernel, inputs } = replaced;
  return { replaced, joined: { ...node, kernel, inputs, attrs: { ...replaced.attrs, activation: 'relu' } } };
};

/** ReluGrad of what was pooled: the mask is 0 exactly where the largest element of the window is. */
const poolingGradient: Join = (_graph, node, only) => {
  if (node.kernel !== 'ReluGrad' || node.attrs['limit'] !== undefined) return undefined;
  const replaced = only(node.inputs['dy'] as ValueId);
  if (replaced?.kernel !== 'MaxPoolGrad' || replaced.inputs['input'] !== node.inputs['y']) return undefined;
  return { replaced, joined: { ...node, kernel: 'MaxPoolReluGrad', inputs: replaced.inputs, attrs: replaced.attrs } };
};

/** Gradient of a batch normalisation whose result was rectified at once: `y` is the rectified one. */
const normalisationGradient: Join = (graph, node, only) => {
  if (node.kernel !== 'BatchNormTrainingGrad' || node.inputs['y'] !== undefined) return undefined;
  const replaced = only(node.inputs['dy'] as ValueId);
  if (replaced?.kernel !== 'ReluGrad' || replaced.attrs['limit'] !== undefined) return undefined;
  const y = replaced.inputs['y'] as ValueId;
  const relu = graph.nodes.find(({ outputs }) => outputs[0] === y);
  const norm = graph.nodes.find(({ outputs }) => outputs[1] === node.inputs['mean']);
  if (relu?.kernel !== 'Relu' || norm === undefined || only(relu.inputs['x'] as ValueId) !== norm) return undefined;
  const inputs = { ...node.inputs, dy: replaced.inputs['dy'] as ValueId, beta: norm.inputs['beta'] as ValueId, y };
  return { replaced, joined: { ...node, inputs } };
};

/** Batch normalisation, then Add of something of the same shape. */
const residual: Join = (graph, node, only) => {
  if (node.kernel !== 'Add') return undefined;
  const operands = [node.inputs['a'] as ValueId, node.inputs['b'] as ValueId];
  const own = operands.find((id) => isPlainNorm(only(id), id));
  const other = operands.find((id) => id !== own);
  if (own === undefined || other === undefined || shapeOf(graph, own) !== shapeOf(graph, other)) return undefined;
  const replaced = only(own) as Node;
  const outputs = [node.outputs[0] as ValueId, ...replaced.outputs.slice(1)];
  return { replaced, joined: { ...replaced, inputs: { ...replaced.inputs, residual: other }, outputs } };
};

function isPlainNorm(node: Node | undefined, output: ValueId): boolean {
  return node?.kernel === 'BatchNormTraining' && node.outputs[0] === output && node.inputs['residual'] === undefined;
}

const shapeOf = (graph: Graph, id: ValueId) => graph.values[id]?.shape.join();

/** ReluGrad of the sum of two gradients: of what two paths have read. */
const sharedGradient: Join = (_graph, node, only) => {
  if (node.kernel !== 'ReluGrad' || node.attrs['limit'] !== undefined) return undefined;
  const replaced = only(node.inputs['dy'] as ValueId);
  const tensors = replaced?.kernel === 'AddN' ? (replaced.inputs['tensors'] as readonly ValueId[]) : [];
  if (replaced === undefined || tensors.length !== 2) return undefined;
  const [dy, dy2] = tensors as [ValueId, ValueId];
  return { replaced, joined: { ...node, inputs: { ...node.inputs, dy, dy2 } } };
};

/** Batch normalisation, with what is added to it, then ReLU. */
const normalisation: Join = (graph, node, only) => {
  if (node.kernel !== 'Relu') return undefined;
  const replaced = only(node.inputs['x'] as ValueId);
  if (replaced?.kernel !== 'BatchNormTraining' || replaced.outputs[0] !== node.inputs['x']) return undefined;
  // The gradient would be taken of what was not rectified; where something is added in between, ReluGrad has come first.
  const isPlain = graph.nodes.some(({ inputs }) => inputs['mean'] === replaced.outputs[1] && inputs['y'] === undefined);
  if (isPlain && replaced.inputs['residual'] === undefined) return undefined;
  const outputs = [node.outputs[0] as ValueId, ...replaced.outputs.slice(1)];
  return { replaced, joined: { ...replaced, outputs, attrs: { ...replaced.attrs, activation: 'relu' } } };
};
