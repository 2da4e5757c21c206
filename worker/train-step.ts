import { drawInto, uniformOf } from './engine/draw.ts';
import type { Engine, Handle, HostData, Sum, Transfer } from './engine/engine.ts';
import { withEvent } from './failed-event.ts';
import type { Draw, Graph, Node, Value } from './graph/graph.ts';
import type { Event, Stream } from './memory/event.ts';
import type { Ledger } from './memory/ledger.ts';
import type { Transit } from './transit.ts';

/** Everything that a step works on. */
export interface StepContext {
  graph: Graph;
  engine: Engine;
  ledger: Ledger;
  /**
   * Takes sums into the variables, from their element `first` on; throws when one is not finite. `step` is the one that
   * the sum belongs to.
   */
  optimizer: {
    update(variable: number, sum: Sum, step: number, first: number): void;
    average(variable: number, sum: Sum, step: number, first: number): void;
    apply(variable: number, contribution: Handle, step: number): void;
  };
  /** Between engine and exchange. */
  transit: Transit;
  /** Where what the plan reads goes: the first time, the second and so on in a step. */
  reader: (handle: Handle, which: number) => Reading;
  seed: number;
  rank: number;
}

/** Numbers on their way from the device: `data` is valid once the engine says that `transfer` has arrived. */
export interface Reading {
  data: HostData;
  transfer: Transfer;
}

export interface StepResult {
  /** Seconds in which this thread stood still for sums. */
  exposedSeconds: number;
  /** What the plan reads: the loss, or a forward pass's outputs. */
  read: Reading[];
}

/**
 * One training step, counted from 0: does what the plan says, in its order, and decides nothing. Sums that it takes in
 * belong to the step before. `batch` is in the order of the graph's feeds.
 */
export function trainStep(stream: Stream, on: StepContext, batch: readonly HostData[], step: number): StepResult {
  const result: StepResult = { exposedSeconds: 0, read: [] };
  for (const [index, event] of stream.events.entries()) {
    try {
      happen(event, on, batch, step, result);
    } catch (error) {
      throw withEvent(error, on.graph, stream, index);
    }
    on.ledger.compare(event, stream.liveBytes[index] as number);
  }
  on.transit.catchUp();
  return result;
}

function happen(event: Event, on: StepContext, batch: readonly HostData[], step: number, result: StepResult): void {
  const { graph, engine, ledger, transit } = on;
  const { departures, arrivals } = transit;
  switch (event.kind) {
    case 'fetch':
      transit.fetch(event);
      break;
    case 'stay':
      transit.stay(event, ledger.handleOf(event.value));
      break;
    case 'await':
      result.exposedSeconds += transit.await(event.bucket);
      break;
    case 'update':
      on.optimizer.update(event.variable, arrivals.sumOf(event), step - 1, event.first);
      break;
    case 'average':
      on.optimizer.average(event.variable, arrivals.sumOf(event), step - 1, event.first);
      break;
    case 'release':
      arrivals.release(event.bucket);
      break;
    case 'apply':
      on.optimizer.apply(event.variable, ledger.handleOf(event.value), step);
      break;
    case 'feed':
      upload(on, event.value, batch[event.feed] as HostData);
      break;
    case 'draw':
      draw(on, event.value, event.draw, step);
      break;
    case 'run': {
      const node = graph.nodes[event.node] as Node;
      ledger.holdAll(node.outputs, engine.run(node, ledger.inputsOf(node)));
      transit.proceed();
      break;
    }
    case 'free':
      transit.vacate(ledger.handleOf(event.value));
      ledger.release(event.value);
      break;
    case 'handOver':
      departures.handOver(event, ledger.handleOf(event.value));
      break;
    case 'submit':
      departures.submit(event.bucket); // these gradients leave while we go on
      break;
    case 'read':
      transit.catchUp();
      result.read.push(on.reader(ledger.handleOf(event.value), result.read.length));
      break;
    default:
      assertNever(event);
  }
}

function upload({ graph, engine, ledger }: StepContext, id: number, data: HostData): void {
  const { shape, dtype } = graph.values[id] as Value;
  ledger.hold(id, engine.upload(data, shape, dtype));
}

function draw(on: StepContext, id: number, index: number, step: number): void {
  const { graph, engine, ledger, seed, rank } = on;
  const { shape } = graph.values[id] as Value;
  const drawn = graph.draws[index] as Draw;
  const uniform = uniformOf(drawn, index, { seed, step, rank });
  if (uniform !== undefined) return ledger.hold(id, engine.uniform(shape, uniform));
  const numbers = new Float32Array(shape.reduce((product, size) => product * size, 1));
  drawInto(drawn, index, { seed, step, rank }, numbers);
  upload(on, id, numbers);
}

function assertNever(event: never): never {
  throw new Error(`unknown event ${JSON.stringify(event)}`);
}
