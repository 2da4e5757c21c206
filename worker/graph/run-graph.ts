import { drawInto } from '../engine/draw.ts';
import type { Engine, Handle, HostData } from '../engine/engine.ts';
import type { Graph, ValueId } from './graph.ts';

export interface GraphRun {
  loss: number | undefined;
  /** By variable index. */
  contributions: HostData[];
  outputs: HostData[];
}

/**
 * Runs a graph from its first node to its last on an engine, keeping everything until the end: what a plan must give
 * the same results as. Leaves nothing on the engine.
 */
export function runGraph(
  engine: Engine,
  graph: Graph,
  start: { variables: readonly Float32Array[]; feeds: Readonly<Record<string, HostData>>; seed?: number },
): GraphRun {
  const handles = new Map<ValueId, Handle>();
  const upload = (id: ValueId, data: HostData) => {
    const { shape, dtype } = valueAt(graph, id);
    handles.set(id, engine.upload(data, shape, dtype));
  };
  const handleAt = (id: ValueId): Handle => {
    const handle = handles.get(id);
    if (handle === undefined) throw new RangeError(`value ${id} is read before it is made`);
    return handle;
  };
  for (const { value, index } of graph.variables) upload(value, start.variables[index] as Float32Array);
  for (const { value, data } of graph.constants) upload(value, data);
  for (const { name, value } of graph.feeds) upload(value, start.feeds[name] as HostData);
  graph.draws.forEach((draw, index) => {
    const target = new Float32Array(valueAt(graph, draw.value).shape.reduce((a, b) => a * b, 1));
    drawInto(draw, index, { seed: start.seed ?? 0, step: 0, rank: 0 }, target);
    upload(draw.value, target);
  });
  for (const node of graph.nodes) {
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([name, ids]) => [
        name,
        typeof ids === 'number' ? handleAt(ids) : ids.map(handleAt),
      ]),
    );
    engine.run(node, inputs).forEach((handle, at) => handles.set(node.outputs[at] as ValueId, handle));
  }
  const result = {
    loss: graph.loss === undefined ? undefined : engine.read(handleAt(graph.loss))[0],
    contributions: graph.variables.map(({ contribution }) => engine.read(handleAt(contribution))),
    outputs: graph.outputs.map((id) => engine.read(handleAt(id))),
  };
  for (const handle of handles.values()) engine.free(handle);
  return result;
}

function valueAt(graph: Graph, id: ValueId) {
  const value = graph.values[id];
  if (value === undefined) throw new RangeError(`the graph has no value ${id}`);
  return value;
}
