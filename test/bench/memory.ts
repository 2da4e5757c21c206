/** `npm run bench -- memory`: what a training step holds, planned, predicted and measured, against TensorFlow.js's own. */
import { parseArgs } from 'node:util';
import { buildTraining, type Training } from '../../worker/compute/build.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { slotNamesOf } from '../../worker/engine/optimizer.ts';
import type { Node, Value } from '../../worker/graph/graph.ts';
import { stockPeakBytes } from '../../worker/graph/stock.ts';
import { describeEvent } from '../../worker/memory/explain.ts';
import { planStep } from '../../worker/memory/plan.ts';
import { type BenchDocument, median, thisMachine, wholeNumber } from './document.ts';
import { chosenModels, type Model, modelOptions, mostWasmBytes, trainingOf } from './models.ts';
import { runStock } from './stock-run.ts';
import { trainAlone } from './train-alone.ts';

interface Settings {
  models: readonly Model[];
  values: Parameters<typeof trainingOf>[1];
  repeats: number;
  /** Runs nothing. */
  planOnly: boolean;
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
  /** The same, really trained; null where it was not: it would not fit, or nothing was to run. */
  stockLedgerPeakBytes: number | null;
  plannedPeakBytes: number;
  /** Where kernels hold nothing but their outputs: without what convolutions of the WASM engine hold for themselves. */
  plannedWithoutTemporariesBytes: number;
  ledgerPeakBytes: number | null;
  /** After every event of every step, and at the peak; null where nothing ran. */
  predictionExact: boolean | null;
  predictedExtraSeconds: number;
  measured: { stockStepSeconds: number | null; stepSeconds: number | null };
  planSeconds: number;
  peakOp: string;
  /** Bytes that the lean graph saves, and bytes that recycling saves on top. */
  savings: { percent: number; leanGraphBytes: number; recyclingBytes: number };
}

/** Runs the benchmark with command-line arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const settings = parse(argv);
  const results: Result[] = [];
  for (const model of settings.models) results.push(await measure(model, settings));
  if (settings.json) printDocument(settings, results);
  else for (const result of results) printResult(result);
  if (results.some(({ predictionExact }) => predictionExact === false)) process.exitCode = 1;
}

function parse(argv: string[]): Settings {
  const { values } = parseArgs({
    args: argv,
    options: {
      ...modelOptions,
      engine: { type: 'string', default: 'wasm' },
      repeats: { type: 'string', default: '3' },
      'plan-only': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.engine !== 'wasm') throw new RangeError(`--engine ${values.engine}: memory is compared on wasm only`);
  return {
    models: chosenModels(values),
    values,
    repeats: wholeNumber('repeats', values.repeats, 1, 1000),
    planOnly: values['plan-only'],
    json: values.json,
  };
}

async function measure(model: Model, { values, repeats, planOnly }: Settings): Promise<Result> {
  const asked = await trainingOf(model, values);
  const engine = await openEngine('wasm');
  const request = { ...asked, recycling: true, engine };
  const started = performance.now();
  const training = await buildTraining(request);
  const planSeconds = (performance.now() - started) / 1000;
  const keeping = await buildTraining({ ...request, recycling: false });
  const stockPeak = await stockPeakBytes(request);
  const { peak, steady } = training.plan;
  const ours = planOnly || peak.bytes > mostWasmBytes ? undefined : await trainAlone(training, repeats);
  const stock = planOnly || stockPeak > mostWasmBytes ? undefined : await runStock({ ...asked, steps: repeats });
  return {
    model: model.name,
    batch: asked.batchSize,
    engine: engine.name,
    optimizer: training.optimizer.kind,
    inPlace: false,
    maxRecomputePercent: 0,
    stockPeakBytes: stockPeak,
    stockLedgerPeakBytes: stock?.peakBytes ?? null,
    plannedPeakBytes: peak.bytes,
    plannedWithoutTemporariesBytes: withoutTemporaries(training),
    ledgerPeakBytes: ours?.peakBytes ?? null,
    predictionExact: ours === undefined ? null : ours.exact && ours.peakBytes === peak.bytes,
    predictedExtraSeconds: 0,
    measured: {
      stockStepSeconds: stock === undefined ? null : median(stock.seconds),
      stepSeconds: ours === undefined ? null : median(ours.seconds),
    },
    planSeconds,
    peakOp: describeEvent(training.graph, steady.events[peak.event]),
    savings: {
      percent: 100 * (1 - peak.bytes / stockPeak),
      leanGraphBytes: stockPeak - keeping.plan.peak.bytes,
      recyclingBytes: keeping.plan.peak.bytes - peak.bytes,
    },
  };
}

function withoutTemporaries({ graph, buckets, optimizer }: Training): number {
  const nodeBytes = ({ outputs }: Node) => outputs.reduce((sum, id) => sum + (graph.values[id] as Value).bytes, 0);
  const optimizerSlots = slotNamesOf(optimizer.kind).length;
  return planStep({ graph, nodeBytes, buckets, optimizerSlots, recycling: true }).peak.bytes;
}

function printDocument({ models, values, repeats, planOnly }: Settings, results: readonly Result[]): void {
  const document: BenchDocument<Result> = {
    bench: 'memory',
    settings: { models: models.map(({ name }) => name), batch: values.batch ?? null, engine: 'wasm', planOnly },
    machine: thisMachine(),
    repeats,
    results,
  };
  console.log(JSON.stringify(document));
}

function printResult(result: Result): void {
  const { model, batch, optimizer, engine, stockPeakBytes: stock, plannedPeakBytes: planned, savings } = result;
  const { stockStepSeconds, stepSeconds } = result.measured;
  const mib = (bytes: number | null) =>
    (bytes === null ? 'not run' : `${(bytes / 2 ** 20).toFixed(1)} MiB`).padStart(12);
  const ms = (seconds: number | null) => (seconds === null ? 'not run' : `${(1000 * seconds).toFixed(0)} ms`);
  console.log(`
${model}, batch ${batch}, ${optimizer}, engine ${engine}
  stock TensorFlow.js ${mib(stock)}   measured ${mib(result.stockLedgerPeakBytes)}
  planned             ${mib(planned)}   measured ${mib(result.ledgerPeakBytes)}   ${savings.percent.toFixed(1)} % below stock
  without temporaries ${mib(result.plannedWithoutTemporariesBytes)}
  prediction          ${verdict(result.predictionExact)}
  saved by            lean graph ${mib(savings.leanGraphBytes)}, recycling ${mib(savings.recyclingBytes)}
  peak at             ${result.peakOp}
  step                ${ms(stepSeconds)}, stock ${ms(stockStepSeconds)}; planned in ${ms(result.planSeconds)}`);
}

function verdict(exact: boolean | null): string {
  if (exact === null) return 'not compared with a ledger';
  return exact ? 'equal to the ledger after every event, to the byte' : 'WRONG: see above';
}
