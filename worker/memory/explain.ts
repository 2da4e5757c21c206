import { type Graph, type Node, rootOf, type ValueId } from '../graph/graph.ts';
import type { Event } from './event.ts';

/** An event in words, for people: which kernel of which layer. */
export function describeEvent(graph: Graph, event: Event | undefined): string {
  if (event === undefined) return 'between steps';
  if (event.kind === 'run') {
    const { kernel, layer, role, outputs } = graph.nodes[event.node] as Node;
    const shape = graph.values[outputs[0] ?? -1]?.shape ?? [];
    return `${kernel} → [${shape.join(', ')}] (layer ${layer}, ${roles[role]})`;
  }
  const { kind, ...about } = event;
  return `${kind} ${Object.entries(about)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}`;
}

/** A value in words, for people: what made it, or which variable it is. */
export function describeValue(graph: Graph, id: ValueId): string {
  const variable = graph.variables.find(({ value }) => value === rootOf(graph, id));
  if (variable !== undefined) return variable.name;
  const node = graph.nodes.find(({ outputs }) => outputs.includes(id));
  if (node !== undefined) return describeEvent(graph, { kind: 'run', node: node.id });
  const feed = graph.feeds.find(({ value }) => value === id);
  return feed === undefined ? `value ${id}` : `batch tensor ${feed.name}`;
}

const roles: Readonly<Record<Node['role'], string>> = {
  forward: 'forward',
  inputGradient: 'input gradient',
  weightGradient: 'weight gradient',
};
