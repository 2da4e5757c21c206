import { type Graph, inputsOf, type Node, type ValueId } from '../graph/graph.ts';

/**
 * Order of nodes: forward as captured; then backward, each weight gradient as soon as it can be had, and so before the
 * input gradient of its layer: it leaves for the other ranks at once, and the activation that only it reads makes room.
 * Input gradients keep their captured order; what a weight gradient needs besides them runs with it, not earlier.
 */
export function orderNodes(graph: Graph): Node[] {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const spine = graph.nodes.filter((node) => node.role !== 'weightGradient');
  const place = new Map(spine.map((node, at) => [node.id, at]));
  const available = availableAfter(graph, producers, place);
  const ordered: Node[] = [];
  const done = new Set<number>();

  const emit = (node: Node): void => {
    if (done.has(node.id)) return;
    done.add(node.id);
    for (const producer of dependencies(node, producers)) emit(producer);
    ordered.push(node);
  };
  spine.forEach((node, at) => {
    emit(node);
    for (const contribution of available.get(at) ?? []) emit(contribution);
  });
  for (const node of graph.nodes) emit(node);
  return ordered;
}

/** Producers of contributions, by the place of the last spine node that they need. */
function availableAfter(
  graph: Graph,
  producers: ReadonlyMap<ValueId, Node>,
  place: ReadonlyMap<number, number>,
): Map<number, Node[]> {
  const latest = new Map<number, number>();
  for (const node of graph.nodes) {
    const own = place.get(node.id) ?? -1;
    latest.set(node.id, Math.max(own, ...dependencies(node, producers).map(({ id }) => latest.get(id) ?? -1)));
  }
  const available = new Map<number, Node[]>();
  for (const { contribution } of graph.variables) {
    const producer = producers.get(contribution);
    if (producer === undefined || place.has(producer.id)) continue;
    const at = latest.get(producer.id) ?? -1;
    available.set(
      at,
      [...(available.get(at) ?? []), producer].sort((a, b) => a.id - b.id),
    );
  }
  return available;
}

function dependencies(node: Node, producers: ReadonlyMap<ValueId, Node>): Node[] {
  return inputsOf(node).flatMap((id) => producers.get(id) ?? []);
}
