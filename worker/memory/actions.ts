import type { Bucket } from '../communication/schedule/types.ts';
import { type Graph, inputsOf, type Node, rootOf, type ValueId, type Variable } from '../graph/graph.ts';
import type { Action } from './event.ts';
import { orderNodes } from './order.ts';

/** Where a part of a variable, from its element `first` on, lies in its bucket. */
interface Place {
  bucket: number;
  first: number;
  offset: number;
  length: number;
}

type Apply = Extract<Action, { kind: 'apply' }>;

/** Updates of contributions up to this size are better done together, where a device far away is told of each. */
const mostSmallBytes = 256 << 10;
const mostCollectedBytes = 4 << 20;

/**
 * All that a step does but freeing: batch tensors and random numbers uploaded right before their first use; a bucket's
 * sum awaited, and all its variables updated, right before the first use of one (for a variable of several buckets, one
 * after the other); contributions handed over the moment they are final; a bucket submitted with its last part. Loss and outputs are read at the end, when the last gradient
 * has left and a read stalls nothing. With `alone`, contributions go into their variables once nothing of this step
 * reads these any more, with `together` small ones not one by one; else variables in no bucket are neither updated nor
 * handed over.
 */
export function stepActions(
  graph: Graph,
  buckets: readonly Bucket[],
  { alone, together }: { alone: boolean; together: boolean },
): Action[] {
  const actions: Action[] = [];
  const places = new Map<number, Place[]>();
  for (const { id, parts } of buckets) {
    for (const { variable, ...place } of parts) {
      places.set(variable, [...(places.get(variable) ?? []), { bucket: id, ...place }]);
    }
  }
  const missing = new Map(buckets.map(({ id, parts }) => [id, parts.length]));
  const prepare = preparations(graph, buckets, actions);
  const waiting = Map.groupBy(graph.variables, ({ contribution }) => contribution);

  const nodes = orderNodes(graph);
  const lastUse = lastUses(graph, nodes);
  const applicable = new Map<number, Apply[]>();
  const apply = applying(graph, actions, together ? mostSmallBytes : 0);

  const handOver = ({ index, value, contribution }: Variable, at: number): void => {
    if (alone) {
      const last = Math.max(at, lastUse.get(rootOf(graph, value)) ?? -1);
      applicable.set(last, [...(applicable.get(last) ?? []), { kind: 'apply', variable: index, value: contribution }]);
      return;
    }
    const parts = places.get(index);
    if (parts === undefined) return;
    prepare(rootOf(graph, value)); // the sums must be out before their buckets go round again
    prepare(rootOf(graph, contribution));
    for (const place of parts) {
      actions.push({ kind: 'handOver', value: contribution, ...place });
      const left = (missing.get(place.bucket) ?? 0) - 1;
      missing.set(place.bucket, left);
      if (left === 0) actions.push({ kind: 'submit', bucket: place.bucket });
    }
  };
  const handOverAll = (contribution: ValueId, at: number): void => {
    for (const variable of waiting.get(contribution) ?? []) handOver(variable, at);
    waiting.delete(contribution);
  };

  nodes.forEach((node, at) => {
    for (const id of inputsOf(node)) prepare(rootOf(graph, id));
    actions.push({ kind: 'run', node: node.id });
    for (const id of node.outputs) handOverAll(id, at);
    apply(applicable.get(at) ?? []);
  });
  for (const contribution of waiting.keys()) handOverAll(contribution, nodes.length);
  apply(applicable.get(nodes.length) ?? [], true);
  for (const value of [...(graph.loss === undefined ? [] : [graph.loss]), ...graph.outputs]) {
    prepare(rootOf(graph, value));
    actions.push({ kind: 'read', value });
  }
  return actions;
}

/** Returns what does, once, all that has to happen before the first use of a root value. */
function preparations(graph: Graph, buckets: readonly Bucket[], actions: Action[]): (root: ValueId) => void {
  const first = new Map<ValueId, (readonly Action[])[]>();
  graph.feeds.forEach(({ value }, feed) => first.set(value, [[{ kind: 'feed', feed, value }]]));
  graph.draws.forEach(({ value }, draw) => first.set(value, [[{ kind: 'draw', draw, value }]]));
  for (const { id, parts } of buckets) {
    const takeIn: Action[] = [{ kind: 'await', bucket: id }];
    for (const { variable, ...place } of parts) {
      const { kind, value } = graph.variables[variable] as Variable;
      takeIn.push({ kind: kind === 'trained' ? 'update' : 'average', variable, bucket: id, ...place });
      first.set(value, [...(first.get(value) ?? []), takeIn]);
    }
  }
  const done = new Set<readonly Action[]>();
  return (root) => {
    for (const prepared of first.get(root) ?? []) {
      if (done.has(prepared)) continue;
      done.add(prepared);
      actions.push(...prepared);
    }
  };
}

/**
 * Returns what takes contributions that can be applied, and applies all that it has, in their order: when a large one is
 * among them, when the small ones are many, or at the end.
 */
function applying(
  graph: Graph,
  actions: Action[],
  smallBytes: number,
): (ready: readonly Apply[], isEnd?: boolean) => void {
  const waiting: Apply[] = [];
  let waitingBytes = 0;
  return (ready, isEnd = false) => {
    const bytes = ready.map(({ variable }) => graph.values[graph.variables[variable]?.value ?? -1]?.bytes ?? 0);
    waiting.push(...ready);
    waitingBytes += bytes.reduce((sum, each) => sum + each, 0);
    if (!isEnd && waitingBytes < mostCollectedBytes && bytes.every((each) => each <= smallBytes)) return;
    actions.push(...waiting.splice(0));
    waitingBytes = 0;
  };
}

/** Place of the last node that reads each variable. */
function lastUses(graph: Graph, nodes: readonly Node[]): Map<ValueId, number> {
  const variables = new Set(graph.variables.map(({ value }) => value));
  const last = new Map<ValueId, number>();
  nodes.forEach((node, at) => {
    for (const root of inputsOf(node).map((id) => rootOf(graph, id))) {
      if (variables.has(root)) last.set(root, at);
    }
  });
  return last;
}
