import {
  type BuildRequest,
  layoutFor,
  nodeBytes,
  outputBytes,
  parameterCount,
  planTraining,
} from '@hayate/worker/compute/build.ts';
import type { Engine, EngineName, EngineSettings } from '@hayate/worker/engine/engine.ts';
import { stockPeakBytes } from '@hayate/worker/graph/stock.ts';
import { describeEvent } from '@hayate/worker/memory/explain.ts';
import { plannedReuse } from '@hayate/worker/memory/planned-reuse.ts';
import { count, formatBytes, formatPercent } from './format.ts';

/** What a step of one worker would hold, bytes, and where it would be computed. */
export interface Prediction {
  name: string;
  namespace: string;
  workers: number;
  batchSize: number;
  globalBatchSize: number;
  settings: EngineSettings;
  /** The workers' engine; undefined where it is not on this machine and bytes were counted from shapes. */
  engine: EngineName | undefined;
  parameters: number;
  layers: number;
  /** At the peak, without `workspaceBytes`. */
  peakBytes: number;
  /** Of the peak what is there all the time: weights, optimizer state, constants. */
  baseBytes: number;
  /** The kernel that runs at the peak, in words. */
  peakAt: string;
  workspaceBytes: number;
  /** Of all buffers that a step makes. */
  allocatedBytes: number;
  /** How many of these have room in what the same step has freed. */
  reusedBytes: number;
  /** What was chosen on the device by measuring, in sentences; the peak has the workspaces then. */
  choices: readonly string[];
  /** TensorFlow.js's own training step; 0 where it cannot train the program. */
  stockPeakBytes: number;
}

type Figures = Pick<
  Prediction,
  | 'parameters'
  | 'layers'
  | 'peakBytes'
  | 'baseBytes'
  | 'peakAt'
  | 'allocatedBytes'
  | 'reusedBytes'
  | 'choices'
  | 'stockPeakBytes'
>;

/**
 * Plans a step; without an engine a kernel is taken to hold nothing but what it returns, and `fetches` is what the engine
 * would say of itself. Throws what buildTraining throws.
 */
export async function figuresOf(
  request: Omit<BuildRequest, 'engine'>,
  engine: Engine | undefined,
  fetches: boolean,
): Promise<Figures> {
  const { graph, plan, layout } = await planTraining(
    request,
    engine === undefined ? outputBytes : (of) => nodeBytes(engine, of),
    engine?.fetches ?? fetches,
    engine && layoutFor(engine),
  );
  const { allocatedBytes, plannedBytes } = plannedReuse(graph, plan.steady.events);
  return {
    parameters: parameterCount(graph),
    layers: graph.layerCount,
    peakBytes: plan.peak.bytes,
    baseBytes: plan.baseBytes,
    peakAt: describeEvent(graph, plan.steady.events[plan.peak.event]),
    allocatedBytes,
    reusedBytes: plannedBytes,
    choices: layout?.reasons ?? [],
    stockPeakBytes: await stockPeakBytes(request),
  };
}

/** A prediction for people. */
export function predictionLines(prediction: Prediction): string[] {
  const { name, workers, batchSize, globalBatchSize, parameters, layers } = prediction;
  const {
    peakBytes,
    baseBytes,
    peakAt,
    workspaceBytes,
    allocatedBytes,
    reusedBytes,
    stockPeakBytes: stock,
  } = prediction;
  const total = peakBytes + workspaceBytes;
  const largest = workspaceBytes === 0 ? '' : `, ${formatBytes(workspaceBytes)} of it the largest workspace`;
  return [
    `${name}: ${count(workers, 'worker')}, each ${batchSize} of ${count(globalBatchSize, 'sample')} a step`,
    row('network', `${count(parameters, 'parameter')} in ${count(layers, 'layer')}`),
    row('computes', computesText(prediction)),
    ...prediction.choices.map((choice) => row('', `· ${choice}`)),
    row('memory', `${formatBytes(total)} predicted at the peak of a worker${largest}`),
    row('', `· at ${peakAt}`),
    row('', `· ${formatBytes(baseBytes)} of it weights, optimizer state and constants`),
    row(
      '',
      `· ${formatBytes(allocatedBytes)} made in a step, ${formatBytes(reusedBytes)} (${formatPercent(reusedBytes / allocatedBytes)}) of it in memory that the step has freed`,
    ),
    ...(stock > 0
      ? [row('', `stock TensorFlow.js would need ${formatBytes(stock)}: ${formatPercent(1 - peakBytes / stock)} saved`)]
      : []),
    ...notCounted(prediction).map((what, at) => row(at === 0 ? 'without' : '', what)),
  ];
}

function computesText({ settings, engine }: Prediction): string {
  const where = settings.device === 'gpu' ? 'on a GPU' : 'on the CPU';
  const products = settings.precision === 'tf32' ? 'TF32 (factors rounded to 10 bits, sums in float32)' : 'float32';
  const by = engine === undefined ? 'engine native, which is not usable here' : `engine ${engine}`;
  return `${where}, products in ${products}, ${by}`;
}

/** What a worker will hold beyond the figure. */
function notCounted({ settings, engine, choices, workspaceBytes }: Prediction): string[] {
  const unknown: string[] = [];
  if (engine === undefined)
    unknown.push('what kernels hold for themselves: counted from shapes alone, without the engine');
  if (settings.device === 'gpu') {
    if (workspaceBytes === 0 && choices.length === 0) {
      unknown.push('workspaces and layout of convolutions, chosen on the GPU; --workspace-mib N adds the largest');
    }
    unknown.push('what driver, CUDA and its libraries hold of the GPU');
  }
  return unknown;
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(10)}${text}`;
}

/** A prediction for programs. */
export function predictionEvent(prediction: Prediction): object {
  const { name, settings, engine, peakBytes, baseBytes, workspaceBytes, stockPeakBytes, ...others } = prediction;
  const { allocatedBytes, reusedBytes, ...rest } = others;
  return {
    event: 'planned',
    job: name,
    ...rest,
    ...settings,
    engine: engine ?? null,
    memory: {
      predictedPeakBytes: peakBytes + workspaceBytes,
      baseBytes,
      workspaceBytes,
      allocatedBytes,
      plannedReuseBytes: reusedBytes,
      stockPeakBytes,
    },
  };
}
