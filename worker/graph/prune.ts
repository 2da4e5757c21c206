import type { Graph, Node, Value, ValueId } from './graph.ts';

/**
 * Drops nodes that nothing needs and values that nothing names, and numbers the rest from 0 in their old order.
 * Needed are the loss, the outputs and the variables' contributions.
 */
export function prune(graph: Graph): Graph {
  const needed = new Set<ValueId>([
    ...graph.outputs,
    ...(graph.loss === undefined ? [] : [graph.loss]),
    ...graph.variables.flatMap((variable) => [variable.value, variable.contribution]),
    ...graph.feeds.map((feed) => feed.value),
  ]);
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((id) => needed.has(id))) continue;
    kept.unshift(node);
    for (const id of [...Object.values(node.inputs).flat(), ...node.outputs]) needed.add(id);
  }
  for (const value of graph.values) if (needed.has(value.id) && value.aliasOf !== undefined) needed.add(value.aliasOf);

  const numbers = new Map<ValueId, ValueId>();
  for (const value of graph.values) if (needed.has(value.id)) numbers.set(value.id, numbers.size);
  const renumbered = (id: ValueId): ValueId => numbers.get(id) as ValueId;
  return {
    values: graph.values.filter(({ id }) => needed.has(id)).map((value) => renumberValue(value, renumbered)),
    nodes: kept.map((node, id) => ({
      ...node,
      id,
      inputs: renumberInputs(node, renumbered),
      outputs: node.outputs.map(renumbered),
    })),
    variables: graph.variables.map((variable) => ({
      ...variable,
      value: renumbered(variable.value),
      contribution: renumbered(variable.contribution),
    })),
    constants: graph.constants
      .filter(({ value }) => needed.has(value))
      .map((constant) => ({ ...constant, value: renumbered(constant.value) })),
    draws: graph.draws
      .filter(({ value }) => needed.has(value))
      .map((draw) => ({ ...draw, value: renumbered(draw.value) })),
    feeds: graph.feeds.map((feed) => ({ ...feed, value: renumbered(feed.value) })),
    ...(graph.loss !== undefined && { loss: renumbered(graph.loss) }),
    outputs: graph.outputs.map(renumbered),
    layerCount: graph.layerCount,
  };
}

function renumberValue(value: Value, renumbered: (id: ValueId) => ValueId): Value {
  return {
    ...value,
    id: renumbered(value.id),
    ...(value.aliasOf !== undefined && { aliasOf: renumbered(value.aliasOf) }),
  };
}

function renumberInputs(node: Node, renumbered: (id: ValueId) => ValueId): Node['inputs'] {
  return Object.fromEntries(
    Object.entries(node.inputs).map(([name, ids]) => [
      name,
      typeof ids === 'number' ? renumbered(ids) : ids.map(renumbered),
    ]),
  );
}
