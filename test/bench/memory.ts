/** `npm run bench -- memory`: what a training step holds, planned, predicted and measured, against TensorFlow.js's own. */
import { parseArgs } from 'node:util';
import { buildTraining, type Training } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { stockPeakBytes } from '../../worker/graph/stock.ts';
import { describeEvent } from '../../worker/memory/explain.ts';
import mnist from '../../worker/program/builtin/mnist.ts';
import type { TrainingProgram } from '../../worker/program/define.ts';
import { parseParameters } from '../../worker/program/parameters.ts';
import { type BenchDocument, median, thisMachine, wholeNumber } from './document.ts';
import vgg from './programs/vgg.ts';
import { runStock } from './stock-run.ts';

const models: Readonly<Record<string, { program: TrainingProgram; batch: number }>> = {
  mnist: { program: mnist as unknown as TrainingProgram, batch: 64 },
  vgg: { program: vgg, batch: 16 },
};

interface Settings {
  models: string[];
  /** Of every model; each model's own where it is left out. */
  batch: number | undefined;
  repeats: number;
  json: boolean;
}

interface Result {
  model: string;
  batch: number;
  engine: string;
  optimizer: string;
  inPlace: boolean;
  maxRecomputePercent: number;
  /** TensorFlow.js's tape and optimizer, predicted from shapes. */
  stockPeakBytes: number;
  /** The same, really trained. */
  stockLedgerPeakBytes: number;
  plannedPeakBytes: number;
  ledgerPeakBytes: number;
  /** After every event of every step, and at the peak. */
  predictionExact: boolean;
  predictedExtraSeconds: number;
  measured: { stockStepSeconds: number; stepSeconds: number };
  planSeconds: number;
  peakOp: string;
  /** Bytes that the lean graph saves, and bytes that recycling saves on top. */
  savings: { percent: number; leanGraphBytes: number; recyclingBytes: number };
}

const seed = 42;

/** Runs the benchmark with command-line arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const settings = parse(argv);
  const results: Result[] = [];
  for (const model of settings.models) results.push(await measure(model, settings));
  if (settings.json) printDocument(settings, results);
  else for (const result of results) printResult(result);
  if (!results.every(({ predictionExact }) => predictionExact)) process.exitCode = 1;
}

function parse(argv: string[]): Settings {
  const { values } = parseArgs({
    args: argv,
    options: {
      model: { type: 'string' },
      batch: { type: 'string' },
      engine: { type: 'string', default: 'wasm' },
      repeats: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.model !== undefined && models[values.model] === undefined) {
    throw new RangeError(`--model ${values.model}: one of ${Object.keys(models).join(', ')} is needed`);
  }
  if (values.engine !== 'wasm') throw new RangeError(`--engine ${values.engine}: only wasm is installed here`);
  return {
    models: values.model === undefined ? Object.keys(models) : [values.model],
    batch: values.batch === undefined ? undefined : wholeNumber('batch', values.batch, 1, 4096),
    repeats: wholeNumber('repeats', values.repeats, 1, 1000),
    json: values.json,
  };
}

async function measure(model: string, settings: Settings): Promise<Result> {
  const { program, batch: usual } = models[model] as { program: TrainingProgram; batch: number };
  const batchSize = settings.batch ?? usual;
  const engine = await openEngine('wasm');
  const request = { program, parameters: parseParameters(program, {}), batchSize, seed, recycling: true, engine };
  const started = performance.now();
  const training = await buildTraining(request);
  const planSeconds = (performance.now() - started) / 1000;
  const keeping = await buildTraining({ ...request, recycling: false });
  const stockPeak = await stockPeakBytes(request);
  const ours = await train(training, settings.repeats);
  const stock = await runStock({ ...request, steps: settings.repeats });
  const { peak, steady } = training.plan;
  return {
    model,
    batch: batchSize,
    engine: engine.name,
    optimizer: training.optimizer.kind,
    inPlace: false,
    maxRecomputePercent: 0,
    stockPeakBytes: stockPeak,
    stockLedgerPeakBytes: stock.peakBytes,
    plannedPeakBytes: peak.bytes,
    ledgerPeakBytes: ours.peakBytes,
    predictionExact: ours.exact && ours.peakBytes === peak.bytes,
    predictedExtraSeconds: 0,
    measured: { stockStepSeconds: median(stock.seconds), stepSeconds: median(ours.seconds) },
    planSeconds,
    peakOp: describeEvent(training.graph, steady.events[peak.event]),
    savings: {
      percent: 100 * (1 - peak.bytes / stockPeak),
      leanGraphBytes: stockPeak - keeping.plan.peak.bytes,
      recyclingBytes: keeping.plan.peak.bytes - peak.bytes,
    },
  };
}

/** Trains `repeats` steps after one that does not count. */
async function train(training: Training, repeats: number) {
  const seconds: number[] = [];
  let exact = true;
  const { measuredPeakBytes } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 1, // evaluates nothing and saves nothing
    worldSize: 1,
    steps: 1 + repeats,
    checkpointEverySteps: Number.MAX_SAFE_INTEGER,
    clock: () => performance.now(),
    post: (message) => {
      if (message.kind !== 'step') return;
      seconds.push(message.seconds);
      if (message.warning !== undefined) {
        exact = false;
        console.error(message.warning);
      }
    },
    stopAfter: () => undefined,
  });
  return { peakBytes: measuredPeakBytes, seconds: seconds.slice(1), exact };
}

function printDocument({ models: names, batch, repeats }: Settings, results: readonly Result[]): void {
  const document: BenchDocument<Result> = {
    bench: 'memory',
    settings: { models: names, batch: batch ?? null, engine: 'wasm', seed },
    machine: thisMachine(),
    repeats,
    results,
  };
  console.log(JSON.stringify(document));
}

function printResult(result: Result): void {
  const { model, batch, optimizer, engine, stockPeakBytes: stock, plannedPeakBytes: planned, savings } = result;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`.padStart(11);
  const ms = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
  console.log(`
${model}, batch ${batch}, ${optimizer}, engine ${engine}
  stock TensorFlow.js ${mib(stock)}   measured ${mib(result.stockLedgerPeakBytes)}
  planned             ${mib(planned)}   measured ${mib(result.ledgerPeakBytes)}   ${savings.percent.toFixed(1)} % below stock
  prediction          ${result.predictionExact ? 'equal to the ledger after every event, to the byte' : 'WRONG: see above'}
  saved by            lean graph ${mib(savings.leanGraphBytes)}, recycling ${mib(savings.recyclingBytes)}
  peak at             ${result.peakOp}
  step                ${ms(result.measured.stepSeconds)}, stock ${ms(result.measured.stockStepSeconds)}; planned in ${ms(result.planSeconds)}`);
}
