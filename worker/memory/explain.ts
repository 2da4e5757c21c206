import type { Graph, Node } from '../graph/graph.ts';
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

const roles: Readonly<Record<Node['role'], string>> = {
  forward: 'forward',
  inputGradient: 'input gradient',
  weightGradient: 'weight gradient',
};
