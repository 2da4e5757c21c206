import { createHash } from 'node:crypto';
import type { Graph } from '../graph/graph.ts';
import type { Plan } from '../memory/plan.ts';

/** sha256 over everything that all ranks must do alike: the graph, its constants and the events of a step. */
export function planHash(graph: Graph, plan: Plan): string {
  const hash = createHash('sha256');
  const { constants, ...structure } = graph;
  hash.update(canonical({ structure, events: plan.steady.events }));
  for (const { value, data } of constants) {
    hash.update(`constant ${value} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
