import type { Engine } from '../engine/engine.ts';
import type { Graph } from '../graph/graph.ts';
import type { Stream } from '../memory/event.ts';
import type { Ledger } from '../memory/ledger.ts';
import { measureReuse, type Observation, type Reuse } from '../memory/measured-reuse.ts';
import { plannedReuse } from '../memory/planned-reuse.ts';

/** The step of a run, from 0, that is watched: engines have chosen their algorithms by then. */
export const watchedStep = 2;

interface Watched {
  graph: Graph;
  engine: Engine;
  ledger: Ledger;
}

/**
 * Writes down where buffers lie, from now until the function that it returns is called at the step's end. That one
 * says how much of the planned reuse there was; undefined where the engine has no addresses. Costs the host a call a
 * buffer, so it is for one step, not for every one.
 */
export function watchReuse({ graph, engine, ledger }: Watched, { events }: Stream): () => Reuse | undefined {
  const observed: Observation[] = [];
  let isPlaced = true;
  let hasBegun = false;
  ledger.watch({
    made(value, handle) {
      const place = engine.placeOf(handle);
      if (place === undefined) isPlaced = false;
      else observed.push({ kind: hasBegun ? 'made' : 'there', value, ...place });
    },
    freed: (value) => void observed.push({ kind: 'freed', value }),
  });
  hasBegun = true;
  return () => {
    ledger.watch(undefined);
    return isPlaced ? measureReuse(graph, plannedReuse(graph, events), observed) : undefined;
  };
}
