import type { Bucket } from '../communication/schedule/types.ts';
import { type Graph, type Node, rootOf, type ValueId } from '../graph/graph.ts';
import { stepActions } from './actions.ts';
import type { Action, Event, Stream } from './event.ts';
import { lifetimes, makesOf } from './lifetimes.ts';

export interface PlanRequest {
  graph: Graph;
  /** Bytes that an engine holds at its worst while it runs a node, beyond what was alive: outputs and temporaries. */
  nodeBytes: (node: Node) => number;
  buckets: readonly Bucket[];
  /** Tensors of a variable's size that the optimizer keeps per trained variable. */
  optimizerSlots: number;
  /** This rank is the only one: its contributions go into the variables directly, and there are no buckets. */
  alone?: boolean;
  /** False keeps everything until the end of the step, for comparison. */
  recycling: boolean;
}

/** Where the most bytes are alive. */
export interface Peak {
  bytes: number;
  /** Index into `steady.events`; -1 when nothing beyond the base is ever alive. */
  event: number;
  /** Bytes alive before that event. */
  liveBytes: number;
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
  peak: Peak;
}

/** Plans a step; with no buckets, a forward pass alone. The same arguments give the same plan on every rank. */
export function planStep({ graph, nodeBytes, buckets, optimizerSlots, alone, recycling }: PlanRequest): Plan {
  const actions = stepActions(graph, buckets, alone === true);
  const events = withFrees(graph, actions, recycling);
  const baseBytes = persistentBytes(graph, optimizerSlots);
  const { liveBytes, peak } = simulate(graph, events, baseBytes, nodeBytes);
  const steady = { events, liveBytes };
  const taken = events.filter(takesIn);
  return {
    steady,
    first: select(steady, (event) => !takesIn(event)),
    drain: { events: taken, liveBytes: taken.map(() => baseBytes) },
    baseBytes,
    peak,
  };
}

function withFrees(graph: Graph, actions: readonly Action[], recycling: boolean): Event[] {
  const dying = new Map<number, ValueId[]>();
  for (const [value, { last }] of lifetimes(graph, actions)) {
    const at = recycling ? last : actions.length - 1;
    const others = dying.get(at);
    if (others === undefined) dying.set(at, [value]);
    else others.push(value);
  }
  return actions.flatMap((action, at): Event[] => [
    action,
    ...(dying.get(at) ?? []).map((value): Event => ({ kind: 'free', value })),
  ]);
}

function persistentBytes(graph: Graph, optimizerSlots: number): number {
  const bytesOf = (id: ValueId) => graph.values[id]?.bytes ?? 0;
  const constants = graph.constants.reduce((sum, { value }) => sum + bytesOf(value), 0);
  return graph.variables.reduce(
    (sum, { value, kind }) => sum + bytesOf(value) * (kind === 'trained' ? 1 + optimizerSlots : 1),
    constants,
  );
}

function simulate(
  graph: Graph,
  events: readonly Event[],
  baseBytes: number,
  nodeBytes: PlanRequest['nodeBytes'],
): { liveBytes: number[]; peak: Peak } {
  const persistent = new Set([...graph.variables, ...graph.constants].map(({ value }) => value));
  const handles = new Map<ValueId, number>();
  const liveBytes: number[] = [];
  let live = baseBytes;
  let peak: Peak = { bytes: live, event: -1, liveBytes: live };
  const count = (value: ValueId, change: 1 | -1): void => {
    const root = rootOf(graph, value);
    if (persistent.has(root)) return;
    const before = handles.get(root) ?? 0;
    handles.set(root, before + change);
    const bytes = graph.values[root]?.bytes ?? 0;
    if (before === 0) live += bytes;
    if (before + change === 0) live -= bytes;
  };
  events.forEach((event, at) => {
    const before = live;
    if (event.kind === 'free') count(event.value, -1);
    else for (const value of makesOf(graph, event)) count(value, 1);
    liveBytes.push(live);
    const during = event.kind === 'run' ? before + nodeBytes(graph.nodes[event.node] as Node) : live;
    if (Math.max(during, live) > peak.bytes) peak = { bytes: Math.max(during, live), event: at, liveBytes: before };
  });
  return { liveBytes, peak };
}

function takesIn(event: Event): boolean {
  return event.kind === 'await' || event.kind === 'update' || event.kind === 'average';
}

function select({ events, liveBytes }: Stream, wanted: (event: Event) => boolean): Stream {
  return {
    events: events.filter(wanted),
    liveBytes: liveBytes.filter((_, at) => wanted(events[at] as Event)),
  };
}
