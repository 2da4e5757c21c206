import type { Bucket } from '../communication/schedule/types.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { stepActions } from './actions.ts';
import type { Event } from './event.ts';
import { lifetimes } from './lifetimes.ts';

interface Options {
  alone: boolean;
  /** What was handed over is sent, and small updates are done, together. */
  together: boolean;
  /** False keeps everything until the end. */
  recycling: boolean;
}

/** All that a step does, each handle freed right after what reads it last. */
export function stepEvents(graph: Graph, buckets: readonly Bucket[], options: Options): Event[] {
  const actions = stepActions(graph, buckets, options);
  const dying = new Map<number, ValueId[]>();
  for (const [value, { last }] of lifetimes(graph, actions, options.together)) {
    const at = options.recycling ? last : actions.length - 1;
    const others = dying.get(at);
    if (others === undefined) dying.set(at, [value]);
    else others.push(value);
  }
  return actions.flatMap((action, at): Event[] => [
    action,
    ...(dying.get(at) ?? []).map((value): Event => ({ kind: 'free', value })),
  ]);
}
