import { buildTraining } from '../../worker/compute/build.ts';
import type { Layout } from '../../worker/compute/choose-layout.ts';
import type { EngineSettings } from '../../worker/engine/engine.ts';
import { stockPeakBytes } from '../../worker/graph/stock.ts';
import type { Reuse } from '../../worker/memory/measured-reuse.ts';
import { median } from './document.ts';
import { openAsked } from './engine-options.ts';
import { mostWasmBytes, type trainingOf } from './models.ts';
import { type Profile, Profiler } from './profile.ts';
import { withResidentBatch } from './resident-batch.ts';
import { runStockNode } from './stock-node-run.ts';
import { runStock } from './stock-run.ts';
import type { BucketTimes } from './timeline.ts';
import { trainAlone } from './train-alone.ts';

/** Ours on an engine, or TensorFlow.js's own tape and optimizer: on the WASM engine's kernels, or on its Node backend. */
export type EngineChoice = 'wasm' | 'native' | 'stock' | 'stock-node';

export interface Asked extends Awaited<ReturnType<typeof trainingOf>>, EngineSettings {
  engine: EngineChoice;
  steps: number;
  warmUpSteps: number;
  /** The same batch in every step, on the device from the first on. */
  isBatchResident: boolean;
  /**
   * Gradients go to the exchange's memory and are taken in from there, as in a group; otherwise they go into the
   * weights at once, as in any training by one process. Ours only.
   */
  isHandingOver: boolean;
  /** Measures further steps kernel by kernel. Ours only. */
  isProfiling: boolean;
}

/** As many as show a pattern; every call of theirs is remembered. */
const profiledSteps = 10;

export interface Measured {
  seconds: readonly number[];
  exposedSeconds: readonly number[];
  /** Wall time of all counted steps by their number; where nothing runs ahead, the mean of their times. */
  windowSeconds: number;
  /** Distinct live buffers of a step, by the plan (stock: by shapes). */
  predictedPeakBytes: number;
  /** The same as the engine counted them; null where nobody counts. */
  measuredPeakBytes: number | null;
  /** What the device's allocator held at most; null where nobody asks it. */
  allocatorPeakBytes: number | null;
  /** What it had taken from the device for that; null as well. */
  allocatorReservedBytes: number | null;
  /** Planned reuse of memory against the addresses of one step; null where nobody looks. */
  reuse: Reuse | null;
  /** How gradients and sums travelled, where that was measured. */
  buckets?: readonly BucketTimes[];
  /** Only where convolutions were laid out for the device. */
  layout?: Layout;
  /** Only where it was asked for. */
  profile?: Profile;
}

/** Trains as asked. Throws RangeError for what this machine cannot do. */
export function measure(asked: Asked): Promise<Measured> {
  switch (asked.engine) {
    case 'wasm':
    case 'native':
      return ours(asked, asked.engine);
    case 'stock':
      return stock(asked);
    case 'stock-node':
      return stockNode(asked);
    default:
      throw new RangeError(`unknown engine ${String(asked.engine satisfies never)}`);
  }
}

async function ours(asked: Asked, name: 'wasm' | 'native'): Promise<Measured> {
  const real = await openAsked(name, asked);
  const profiler = asked.isProfiling ? new Profiler(real) : undefined;
  const opened = { program: asked.program, engine: profiler?.engine ?? real };
  const { program, engine } = asked.isBatchResident ? withResidentBatch(opened) : opened;
  const training = await buildTraining({ ...asked, program, engine, recycling: true, alone: !asked.isHandingOver });
  const { bytes } = training.plan.peak;
  if (name === 'wasm') refuseTooLarge(bytes);
  const {
    peakBytes,
    allocatorPeakBytes = null,
    allocatorReservedBytes = null,
    reuse = null,
    buckets,
    ...measured
  } = await trainAlone(
    training,
    asked.steps,
    asked.warmUpSteps,
    profiler && { steps: profiledSteps, start: () => profiler.start(), stop: () => profiler.stop() },
  );
  const profile = profiler?.result(training.graph);
  engine.dispose();
  return {
    ...measured,
    predictedPeakBytes: bytes,
    measuredPeakBytes: peakBytes,
    allocatorPeakBytes,
    allocatorReservedBytes,
    reuse,
    ...(buckets.length > 0 && { buckets }),
    ...(training.layout && { layout: training.layout }),
    ...(profile && { profile }),
  };
}

async function stock(asked: Asked): Promise<Measured> {
  const predictedPeakBytes = await stockPeakBytes(asked);
  refuseTooLarge(predictedPeakBytes);
  const { seconds, peakBytes } = await runStock(asked);
  const windowSeconds = seconds.reduce((sum, each) => sum + each, 0) / seconds.length;
  const none = { allocatorPeakBytes: null, allocatorReservedBytes: null, reuse: null };
  const peaks = { predictedPeakBytes, measuredPeakBytes: peakBytes, ...none };
  return { seconds, exposedSeconds: [0], windowSeconds, ...peaks };
}

async function stockNode(asked: Asked): Promise<Measured> {
  const predictedPeakBytes = await stockPeakBytes(asked);
  const { seconds, windowSeconds, allocatorPeakBytes } = await runStockNode(asked);
  const peaks = {
    predictedPeakBytes,
    measuredPeakBytes: null,
    allocatorPeakBytes: allocatorPeakBytes ?? null,
    allocatorReservedBytes: null,
    reuse: null,
  };
  return { seconds, exposedSeconds: [0], windowSeconds, ...peaks };
}

function refuseTooLarge(bytes: number): void {
  if (bytes <= mostWasmBytes) return;
  const gib = (size: number) => (size / 2 ** 30).toFixed(1);
  throw new RangeError(
    `a step would hold ${gib(bytes)} GiB, and the wasm engine has room for ${gib(mostWasmBytes)}; give a smaller --batch or --image-size`,
  );
}

/** What a benchmark says about `measured`. */
export function summaryOf({ seconds, exposedSeconds, ...rest }: Measured, batchSize: number) {
  const stepSeconds = median(seconds);
  const { windowSeconds, predictedPeakBytes, measuredPeakBytes, reuse, buckets, layout, profile } = rest;
  return {
    stepSeconds,
    windowSeconds,
    samplesPerSecond: batchSize / stepSeconds,
    exposedCommunicationSeconds: median(exposedSeconds),
    predictedPeakBytes,
    measuredPeakBytes,
    allocatorPeakBytes: rest.allocatorPeakBytes,
    allocatorReservedBytes: rest.allocatorReservedBytes,
    reuse,
    layout: layout?.images ?? null,
    /** Of the convolution that may hold most besides. */
    workspaceBytes: layout?.workspaceBytes ?? null,
    choices: layout?.reasons ?? [],
    ...(buckets && { buckets }),
    ...(profile && { profile }),
  };
}
