import { EngineError } from './engine/engine.ts';
import type { Graph } from './graph/graph.ts';
import type { Stream } from './memory/event.ts';
import { describeEvent } from './memory/explain.ts';

/** What an engine could not do, with the event of the plan at which it could not; anything else as it is. */
export function withEvent(error: unknown, graph: Graph, { events, liveBytes }: Stream, at: number): unknown {
  if (!(error instanceof EngineError)) return error;
  const { code, message, retryable, cause = error } = error;
  const aliveMib = ((liveBytes[at - 1] ?? 0) / 2 ** 20).toFixed(1);
  const alive = at === 0 ? '' : `, with ${aliveMib} MiB alive by the plan`;
  const where = `at ${describeEvent(graph, events[at])}, event ${at + 1} of ${events.length} of a step${alive}`;
  return new EngineError(code, `${message} (${where})`, { retryable, cause });
}
