import type { TrainingState } from '../checkpoint/state.ts';
import { planBuckets } from '../communication/schedule/buckets.ts';
import type { Bucket } from '../communication/schedule/types.ts';
import type { Engine } from '../engine/engine.ts';
import { slotNamesOf } from '../engine/optimizer.ts';
import { captureTraining } from '../graph/capture.ts';
import type { Graph, Node, Value } from '../graph/graph.ts';
import { stockPeakBytes } from '../graph/stock.ts';
import { type Plan, planStep } from '../memory/plan.ts';
import type { OptimizerSettings, TrainingProgram } from '../program/define.ts';
import { ofProgram } from '../program/program-error.ts';
import { checkOptimizer } from './check-optimizer.ts';
import { chooseLayout, type LaidOut } from './choose-layout.ts';
import type { Built } from './messages.ts';
import { planHash } from './plan-hash.ts';
import { initialState } from './weights.ts';

export interface BuildRequest {
  program: TrainingProgram;
  /** As the program's schema returned them. */
  parameters: unknown;
  /** Samples of one rank's step. */
  batchSize: number;
  seed: number;
  recycling: boolean;
  engine: Engine;
  /** This rank is the only one: nothing is exchanged, see planStep. */
  alone?: boolean;
}

/** A program made ready for training. */
export interface Training extends LaidOut {
  request: BuildRequest;
  optimizer: OptimizerSettings;
  buckets: readonly Bucket[];
  plan: Plan;
  initial: TrainingState;
}

/** program → graph → plan. Throws what a person has to know before the first step. */
export async function buildTraining(request: BuildRequest): Promise<Training> {
  const { engine } = request;
  return {
    request,
    ...(await planTraining(request, (graph) => nodeBytes(engine, graph), engine.fetches, layoutFor(engine))),
  };
}

type ChooseLayout = (graph: Graph, planOf: (graph: Graph) => Plan) => LaidOut;

/** What lays a graph out for an engine's convolutions. */
export function layoutFor(engine: Engine): ChooseLayout {
  return (graph, planOf) => chooseLayout(engine, graph, planOf);
}

/**
 * The same without an engine: `bytesOf` says what a node of the graph holds while it runs, `fetches` as Engine.fetches;
 * without `choose` the graph stays plain.
 */
export async function planTraining(
  request: Omit<BuildRequest, 'engine'>,
  bytesOf: (graph: Graph) => (node: Node) => number,
  fetches: boolean,
  choose: ChooseLayout = (graph) => ({ graph }),
): Promise<Omit<Training, 'request'>> {
  const { program, parameters, recycling, alone = false } = request;
  const optimizer = checkOptimizer(ofProgram('optimizer', () => program.optimizer(parameters)));
  const { graph: captured, initial } = await captureTraining(request);
  const sizes = captured.variables.map(({ index, layer }) => ({ index, layer, elements: initial[index]?.length ?? 0 }));
  const buckets = alone ? [] : planBuckets(sizes, { bucketBytes: bucketBytes(sizes) });
  const optimizerSlots = slotNamesOf(optimizer.kind).length;
  const planOf = (graph: Graph, early: boolean) =>
    planStep({ graph, nodeBytes: bytesOf(graph), buckets, optimizerSlots, alone, fetches: early, recycling });
  // Sums are fetched into what convolutions leave, not the other way round.
  const laid = choose(captured, (graph) => planOf(graph, false));
  return {
    optimizer,
    ...laid,
    plan: planOf(laid.graph, fetches),
    buckets,
    initial: initialState(captured, initial, optimizer.kind),
  };
}

/** Bytes that an engine holds at its worst while it runs a node of `graph`. */
export function nodeBytes(engine: Engine, graph: Graph): (node: Node) => number {
  const valueOf = (id: number) => graph.values[id] as Value;
  return (node) => engine.runBytes(node, valueOf);
}

/** Bytes of what a node of `graph` returns, whatever an engine holds besides. */
export function outputBytes(graph: Graph): (node: Node) => number {
  return ({ outputs }) => outputs.reduce((sum, id) => sum + (graph.values[id] as Value).bytes, 0);
}

/**
 * An eighth of all gradients: few enough messages, while the first buckets still leave early in backward and the last
 * one, which nothing hides, stays small. Below 4 KiB a message costs more than its bytes; above 4 MiB nothing is gained.
 */
function bucketBytes(variables: readonly { elements: number }[]): number {
  const total = variables.reduce((sum, { elements }) => sum + 4 * elements, 0);
  return Math.min(4 << 20, Math.max(4 << 10, Math.ceil(total / 8 / 64) * 64));
}

/** What the main thread and the other ranks are told. */
export async function describeTraining(training: Training): Promise<Built> {
  const { request, optimizer, graph, plan, layout, buckets, initial } = training;
  return {
    kind: 'built',
    buckets,
    initial,
    planHash: planHash(graph, plan, optimizer),
    predictedPeakBytes: plan.peak.bytes,
    stockPeakBytes: await stockPeakBytes(request),
    engine: request.engine.name,
    layers: graph.layerCount,
    parameters: parameterCount(graph),
    choices: layout?.reasons ?? [],
  };
}

export function parameterCount(graph: Graph): number {
  return graph.variables.reduce((sum, { value }) => sum + (graph.values[value]?.bytes ?? 0) / 4, 0);
}
