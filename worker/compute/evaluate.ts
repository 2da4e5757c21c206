import type { HostData } from '../engine/engine.ts';
import { captureForward } from '../graph/capture.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { layOut } from '../graph/layout.ts';
import type { Stream } from '../memory/event.ts';
import { planStep } from '../memory/plan.ts';
import type { Batch } from '../program/define.ts';
import { ofProgram, ProgramError } from '../program/program-error.ts';
import { type StepContext, trainStep } from '../train-step.ts';
import { score } from './accuracy.ts';
import { batchesOf, feedsOf } from './batch.ts';
import { nodeBytes, type Training } from './build.ts';
import { openLedger } from './open-ledger.ts';
import { readNow } from './readers.ts';
import type { Weights } from './weights.ts';

/** The model's inference, made ready for one batch size. */
interface Forward {
  context: StepContext;
  stream: Stream;
}

/** Share of the held-out samples that the model gets right; undefined where nothing is held out or the loss classifies nothing. */
export async function evaluateAccuracy(
  training: Training,
  weights: Weights,
  context: StepContext,
): Promise<number | undefined> {
  const { program, parameters, seed } = training.request;
  const { loss } = program;
  if (typeof loss === 'function' || program.evaluate === undefined) return undefined;
  const forwards = new Map<number, Forward>();
  let correct = 0;
  let total = 0;
  let batches = 0;
  const make = () => ofProgram('evaluate', () => program.evaluate?.({ parameters, seed }) ?? []);
  for await (const batch of batchesOf('evaluate', make)) {
    batches += 1;
    const size = samplesOf(training, batch, batches);
    const forward = forwards.get(size) ?? (await openForward(training, weights, context, size));
    forwards.set(size, forward);
    const { graph } = forward.context;
    const feeds = feedsOf(graph, batch, `evaluation batch ${batches}`);
    const prediction = trainStep(forward.stream, forward.context, feeds, 0).read[0]?.data as HostData;
    const counted = score(loss, { prediction, y: batch.y, classes: classesOf(graph), threshold: thresholdOf(graph) });
    correct += counted?.correct ?? 0;
    total += counted?.total ?? 0;
  }
  for (const { context: opened } of forwards.values()) {
    for (const { value } of opened.graph.constants) opened.ledger.release(value);
  }
  return total === 0 ? undefined : correct / total;
}

async function openForward(
  { request, graph, layout }: Training,
  weights: Weights,
  context: StepContext,
  batchSize: number,
): Promise<Forward> {
  const captured = await captureForward({ ...request, batchSize, variables: graph.variables });
  const forward = layout === undefined ? captured : layOut(captured, layout.images, ({ stored }) => stored ?? 'plain');
  const { steady } = planStep({
    graph: forward,
    nodeBytes: nodeBytes(request.engine, forward),
    buckets: [],
    optimizerSlots: 0,
    recycling: true,
  });
  const ledger = openLedger(request.engine, forward, weights);
  return { context: { ...context, graph: forward, ledger, reader: readNow(request.engine) }, stream: steady };
}

function samplesOf({ graph, request }: Training, { x }: Batch, which: number): number {
  const feed = graph.feeds[0];
  const { shape } = graph.values[feed?.value ?? 0] as Value;
  const perSample = shape.reduce((product, size) => product * size, 1) / request.batchSize;
  const data = ArrayBuffer.isView(x) ? x : x[feed?.name ?? ''];
  const samples = (data?.length ?? 0) / perSample;
  if (Number.isInteger(samples) && samples > 0) return samples;
  throw new ProgramError(
    'badBatch',
    `evaluation batch ${which}: ${feed?.name ?? 'x'} has ${data?.length ?? 'no'} numbers, no multiple of the ${perSample} of a sample`,
  );
}

function classesOf({ values, outputs }: Graph): number {
  return values[outputs[0] ?? 0]?.shape.at(-1) ?? 1;
}

/** A model that closes with a sigmoid predicts probabilities. */
function thresholdOf({ nodes, outputs }: Graph): number {
  const closing = nodes.find((node) => node.outputs.includes(outputs[0] ?? -1));
  return closing?.kernel === 'Sigmoid' ? 0.5 : 0;
}
