import { type Graph, inputsOf, type Node, type ValueId } from '../graph/graph.ts';
import type { Action, Event } from './event.ts';

/** Indices of the actions that make a value and that read it last (the same one for a value that nobody reads). */
export interface Lifetime {
  first: number;
  last: number;
}

/**
 * Lifetimes of the handles that a step makes, aliases included. What outlives the step (variables, constants) has none.
 * A buffer lives as long as any handle of its root. With `together`, what was handed over is read when its bucket is submitted.
 */
export function lifetimes(graph: Graph, actions: readonly Action[], together = false): Map<ValueId, Lifetime> {
  const found = new Map<ValueId, Lifetime>();
  const handed = new Map<number, ValueId[]>();
  actions.forEach((action, at) => {
    if (action.kind === 'handOver') handed.set(action.bucket, [...(handed.get(action.bucket) ?? []), action.value]);
    const submitted = together && action.kind === 'submit' ? (handed.get(action.bucket) ?? []) : [];
    for (const value of [...readsOf(graph, action), ...submitted]) {
      const lifetime = found.get(value);
      if (lifetime !== undefined) lifetime.last = at;
    }
    for (const value of makesOf(graph, action)) found.set(value, { first: at, last: at });
  });
  return found;
}

/** Values whose handles an event makes. */
export function makesOf(graph: Graph, event: Event): readonly ValueId[] {
  if (event.kind === 'run') return (graph.nodes[event.node] as Node).outputs;
  return event.kind === 'feed' || event.kind === 'draw' ? [event.value] : [];
}

/** Values that an event reads. */
export function readsOf(graph: Graph, event: Event): readonly ValueId[] {
  if (event.kind === 'run') return inputsOf(graph.nodes[event.node] as Node);
  const reads = event.kind === 'handOver' || event.kind === 'apply' || event.kind === 'read';
  return reads ? [event.value] : [];
}
