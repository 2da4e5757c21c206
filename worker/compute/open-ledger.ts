import type { Engine } from '../engine/engine.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { Ledger } from '../memory/ledger.ts';
import type { Weights } from './weights.ts';

/** A ledger that holds what outlives a step: constants, uploaded now, and variables. */
export function openLedger(engine: Engine, graph: Graph, weights: Weights): Ledger {
  const ledger = new Ledger(engine);
  for (const { value, data } of graph.constants) {
    const { shape, dtype } = graph.values[value] as Value;
    ledger.hold(value, engine.upload(data, shape, dtype));
  }
  for (const { value, index } of graph.variables) ledger.hold(value, weights.handleOf(index));
  return ledger;
}
