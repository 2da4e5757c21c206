import { setImmediate as turn } from 'node:timers/promises';
import type { TrainingState } from '../checkpoint/state.ts';
import type { Exchange } from '../communication/exchange.ts';
import type { Reuse } from '../memory/measured-reuse.ts';
import { ofProgram, ProgramError } from '../program/program-error.ts';
import { type Reading, type StepContext, trainStep } from '../train-step.ts';
import { Transit } from '../transit.ts';
import { batchesOf, feedsOf } from './batch.ts';
import type { Training } from './build.ts';
import { Deviations } from './deviations.ts';
import { evaluateAccuracy } from './evaluate.ts';
import type { FromCompute } from './messages.ts';
import { NonFiniteError } from './non-finite.ts';
import { openLedger } from './open-ledger.ts';
import { StepReader } from './readers.ts';
import { watchedStep, watchReuse } from './watch-reuse.ts';
import { Weights } from './weights.ts';

export interface RunRequest {
  training: Training;
  exchange: Exchange;
  state: TrainingState;
  rank: number;
  worldSize: number;
  steps: number;
  checkpointEverySteps: number;
  /** Monotonic milliseconds. */
  clock: () => number;
  post: (message: FromCompute) => void;
  /** Steps after which to stop, once somebody asked for it. */
  stopAfter: () => number | undefined;
}

type Finished = Extract<FromCompute, { kind: 'finished' }>;

/** A step that the device may still be at. */
interface Underway {
  /** Steps done with it. */
  step: number;
  startedMs: number;
  exposedSeconds: number;
  loss: Reading | undefined;
  reuse: Reuse | undefined;
  /** It took in the sums of the step before. */
  isSteady: boolean;
}

/**
 * Trains from the state's step to the last, or to where it is asked to stop. A device that computes while this thread
 * goes on is given the next step before the last one's loss is looked at.
 */
export async function runTraining(request: RunRequest): Promise<Finished> {
  const { training, exchange, state, rank, worldSize, steps, clock, post } = request;
  const { graph, plan } = training;
  const { engine, seed } = training.request;
  const weights = new Weights(engine, graph.variables, training.optimizer, worldSize, state);
  const ledger = openLedger(engine, graph, weights);
  const transit = new Transit(engine, exchange, clock);
  const losses = new StepReader(engine);
  const reader = losses.read;
  const on: StepContext = { graph, engine, transit, ledger, optimizer: weights, reader, seed, rank };
  const deviations = new Deviations(training, ledger);
  const batches = openBatches(request);
  for (const memory of exchange.memory ?? []) engine.pin(memory);
  engine.trim();
  engine.resetPeak();

  let step = state.step;
  let loss: number | undefined;
  let drained = true;
  let stopped = false;
  let finishedMs = -Infinity;
  const finish = ({ step: done, startedMs, exposedSeconds, loss: reading, reuse, isSteady }: Underway): void => {
    if (reading !== undefined) engine.wait(reading.transfer);
    if (isSteady) transit.letDeviceWait();
    loss = reading?.data[0];
    if (!Number.isFinite(loss)) throw new NonFiniteError(done - 1, 'the loss');
    weights.check(done - 1);
    const measuredPeakBytes = engine.peakBytes();
    const device = engine.deviceMemory();
    const warning = deviations.warning({ peakBytes: measuredPeakBytes, device, reuse });
    const sinceMs = Math.max(startedMs, finishedMs);
    finishedMs = clock();
    post({
      kind: 'step',
      step: done,
      loss,
      seconds: (finishedMs - sinceMs) / 1000,
      exposedSeconds: exposedSeconds + engine.stalledSeconds(),
      measuredPeakBytes,
      ...(device !== undefined && { deviceMemory: device }),
      ...(reuse !== undefined && { reuse }),
      ...(warning !== undefined && { warning }),
    });
  };
  let underway: Underway | undefined;
  while (step < steps && !stopped) {
    const startedMs = clock();
    const feeds = feedsOf(graph, await nextBatch(batches, step), `the batch of step ${step + 1}`);
    const isSteady = !drained;
    const stream = isSteady ? plan.steady : plan.first;
    const watched = step === state.step + watchedStep ? watchReuse(on, stream) : undefined;
    const { exposedSeconds, read } = trainStep(stream, on, feeds, step);
    const reuse = watched?.();
    losses.next();
    step += 1;
    if (underway !== undefined) finish(underway);
    stopped = step < steps && step >= (request.stopAfter() ?? Infinity);
    drained = stopped || step === steps || step % request.checkpointEverySteps === 0;
    const drain = drained ? trainStep(plan.drain, on, [], step) : undefined;
    const exposed = exposedSeconds + (drain?.exposedSeconds ?? 0);
    underway = { step, startedMs, exposedSeconds: exposed, loss: read[0], reuse, isSteady };
    if (drained || engine.arrived(read[0]?.transfer ?? 0)) {
      finish(underway);
      underway = undefined;
    }
    if (drained && rank === 0 && step < steps && !stopped) post({ kind: 'snapshot', state: weights.save(step) });
    await turn(); // lets a request to stop come in
  }
  await batches.return();
  const measuredPeakBytes = engine.peakBytes();
  const accuracy = rank === 0 && !stopped ? await evaluateAccuracy(training, weights, on) : undefined;
  const reached = weights.save(step);
  for (const { value } of graph.constants) ledger.release(value);
  for (const memory of exchange.memory ?? []) engine.unpin(memory);
  losses.close();
  weights.free();
  return { kind: 'finished', state: reached, loss, accuracy, stopped, measuredPeakBytes };
}

function openBatches({ training, state, rank, worldSize }: RunRequest) {
  const { program, parameters, batchSize, seed } = training.request;
  return batchesOf('data', () =>
    ofProgram('data', () => program.data({ parameters, rank, worldSize, batchSize, seed, startStep: state.step })),
  );
}

async function nextBatch(batches: ReturnType<typeof batchesOf>, step: number) {
  const next = await batches.next();
  if (next.done === true) {
    throw new ProgramError(
      'badBatch',
      `data of the training program ended before step ${step + 1}; it must yield without end`,
    );
  }
  return next.value;
}
