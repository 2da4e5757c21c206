import { createHash } from 'node:crypto';
import type { Graph } from '../graph/graph.ts';
import type { Event } from '../memory/event.ts';
import type { Plan } from '../memory/plan.ts';
import type { OptimizerSettings } from '../program/define.ts';

/**
 * sha256 over everything that all ranks must do alike: the graph, its constants, the events of a step, the optimizer.
 * How much memory a convolution may take besides, where a rank's sums lie on its device and what it frees when, is its own affair.
 */
export function planHash(graph: Graph, plan: Plan, optimizer: OptimizerSettings): string {
  const hash = createHash('sha256');
  const { constants, nodes, ...structure } = graph;
  const alike = nodes.map((node) => ({ ...node, attrs: { ...node.attrs, workspaceBytes: undefined } }));
  const events = plan.steady.events.filter(({ kind }) => !ownEvents.has(kind));
  hash.update(canonical({ structure: { ...structure, nodes: alike }, events, optimizer }));
  for (const { value, data } of constants) {
    hash.update(`constant ${value} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

const ownEvents: ReadonlySet<Event['kind']> = new Set(['fetch', 'stay', 'release', 'free']);

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
