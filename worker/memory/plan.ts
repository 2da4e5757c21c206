import type { Bucket } from '../communication/schedule/types.ts';
import type { Graph, Node, ValueId } from '../graph/graph.ts';
import type { Event, Stream } from './event.ts';
import { type Carried, carriedBy, type Peak, simulate } from './simulate.ts';
import { stepEvents } from './step-events.ts';
import { withTransfers } from './transfers.ts';

export interface PlanRequest {
  graph: Graph;
  /** Bytes that an engine holds at its worst while it runs a node, beyond what was alive: outputs and temporaries. */
  nodeBytes: (node: Node) => number;
  buckets: readonly Bucket[];
  /** Tensors of a variable's size that the optimizer keeps per trained variable. */
  optimizerSlots: number;
  /** This rank is the only one: its contributions go into the variables directly, and there are no buckets. */
  alone?: boolean;
  /**
   * Sums are fetched to the engine before variables are updated from them, see Engine.fetches; small updates go together,
   * and so do the parts of a bucket when it is submitted.
   */
  fetches?: boolean;
  /** False keeps everything until the end of the step, for comparison. */
  recycling: boolean;
}

/** What every step does, when, and how many bytes are alive on the engine after each event. Plain data. */
export interface Plan {
  /** A step whose predecessor's sums are still on their way. */
  steady: Stream;
  /** A step with nothing on its way: the first, and the one after a drain. */
  first: Stream;
  /** Takes in all sums; afterwards the variables are those that a checkpoint holds. */
  drain: Stream;
  /** Variables, optimizer slots and constants: alive all the time. */
  baseBytes: number;
  /** Its `event` is one of `steady`. */
  peak: Peak;
}

/** Plans a step; with no buckets, a forward pass alone. The same arguments give the same plan on every rank. */
export function planStep(request: PlanRequest): Plan {
  const { graph, nodeBytes, buckets, optimizerSlots, alone, fetches, recycling } = request;
  const baseBytes = persistentBytes(graph, optimizerSlots);
  const simulated = (events: readonly Event[], carried?: Carried) =>
    simulate(graph, events, baseBytes, nodeBytes, carried);
  const streamOf = (events: readonly Event[], carried?: Carried): Stream => ({
    events,
    liveBytes: simulated(events, carried).liveBytes,
  });
  const together = fetches === true;
  const done = stepEvents(graph, buckets, { alone: alone === true, together, recycling });
  const simulatedStep = (events: readonly Event[]) => simulated(events, carriedBy(events));
  const events = together ? withTransfers(graph, done, buckets, simulatedStep) : done;
  const carried = carriedBy(events);
  const stays = new Set(carried.values);
  const takesIn = (event: Event) => isOfSums(event) || (event.kind === 'free' && stays.has(event.value));
  const { liveBytes, peak } = simulated(events, carried);
  return {
    steady: { events, liveBytes },
    first: streamOf(events.filter((event) => !takesIn(event))),
    drain: streamOf(events.filter(takesIn), carried),
    baseBytes,
    peak,
  };
}

function persistentBytes(graph: Graph, optimizerSlots: number): number {
  const bytesOf = (id: ValueId) => graph.values[id]?.bytes ?? 0;
  const constants = graph.constants.reduce((sum, { value }) => sum + bytesOf(value), 0);
  return graph.variables.reduce(
    (sum, { value, kind }) => sum + bytesOf(value) * (kind === 'trained' ? 1 + optimizerSlots : 1),
    constants,
  );
}

const takingIn: ReadonlySet<Event['kind']> = new Set(['await', 'update', 'average', 'release']);

/** Belongs to the sums of the step before. */
function isOfSums(event: Event): boolean {
  return takingIn.has(event.kind) || (event.kind === 'fetch' && !event.ahead);
}
