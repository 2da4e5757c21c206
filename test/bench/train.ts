/** `npm run bench -- train`: seconds of a training step in one process, ours or TensorFlow.js's own. */
import { parseArgs } from 'node:util';
import { buildTraining } from '../../worker/compute/build.ts';
import { type Engine, EngineError } from '../../worker/engine/engine.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { stockPeakBytes } from '../../worker/graph/stock.ts';
import { type BenchDocument, median, thisMachine, wholeNumber } from './document.ts';
import { chosenModels, type Model, modelOptions, models, mostWasmBytes, trainingOf } from './models.ts';
import { runStock } from './stock-run.ts';
import { trainAlone } from './train-alone.ts';

type EngineChoice = 'wasm' | 'native' | 'stock';
type Asked = Awaited<ReturnType<typeof trainingOf>>;

interface Measured {
  seconds: readonly number[];
  exposedSeconds: readonly number[];
  predictedPeakBytes: number;
  measuredPeakBytes: number;
}

interface Result {
  model: string;
  batch: number;
  world: number;
  engine: EngineChoice;
  optimizer: string;
  stepSeconds: number;
  samplesPerSecond: number;
  exposedCommunicationSeconds: number;
  /** Distinct live buffers of a step, by the plan (stock: by shapes). */
  predictedPeakBytes: number;
  /** The same as the engine counted them. */
  measuredPeakBytes: number;
}

/** Runs the benchmark with command-line arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      ...modelOptions,
      engine: { type: 'string', default: 'wasm' },
      steps: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.model === undefined) {
    throw new RangeError(`--model: one of ${models.map(({ name }) => name).join(', ')} is needed`);
  }
  const [model] = chosenModels(values) as [Model];
  const engine = engineChoice(values.engine);
  const steps = wholeNumber('steps', values.steps, 1, 100_000);
  const asked = await trainingOf(model, values);
  const measured = engine === 'stock' ? await stock(asked, steps) : await ours(asked, engine, steps);
  const stepSeconds = median(measured.seconds);
  const result: Result = {
    model: model.name,
    batch: asked.batchSize,
    world: 1,
    engine,
    optimizer: asked.program.optimizer(asked.parameters).kind,
    stepSeconds,
    samplesPerSecond: asked.batchSize / stepSeconds,
    exposedCommunicationSeconds: median(measured.exposedSeconds),
    predictedPeakBytes: measured.predictedPeakBytes,
    measuredPeakBytes: measured.measuredPeakBytes,
  };
  if (values.json) printDocument(result, asked, steps);
  else printResult(result, steps);
}

function engineChoice(text: string): EngineChoice {
  if (text === 'wasm' || text === 'native' || text === 'stock') return text;
  throw new RangeError(`--engine ${text}: one of wasm, native, stock is needed`);
}

async function ours(asked: Asked, name: 'wasm' | 'native', steps: number): Promise<Measured> {
  const engine = await open(name);
  const training = await buildTraining({ ...asked, recycling: true, engine });
  const { bytes } = training.plan.peak;
  if (name === 'wasm') refuseTooLarge(bytes);
  const { peakBytes, ...measured } = await trainAlone(training, steps);
  engine.dispose();
  return { ...measured, predictedPeakBytes: bytes, measuredPeakBytes: peakBytes };
}

async function open(name: 'wasm' | 'native'): Promise<Engine> {
  try {
    return await openEngine(name);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'engineMissing') throw error;
    throw new RangeError(`--engine ${name}: ${error.message}`, { cause: error });
  }
}

/** TensorFlow.js's own optimizer and tape, on the WASM engine's kernels. */
async function stock(asked: Asked, steps: number): Promise<Measured> {
  const predictedPeakBytes = await stockPeakBytes(asked);
  refuseTooLarge(predictedPeakBytes);
  const { seconds, peakBytes } = await runStock({ ...asked, steps });
  return { seconds, exposedSeconds: [0], predictedPeakBytes, measuredPeakBytes: peakBytes };
}

function refuseTooLarge(bytes: number): void {
  if (bytes <= mostWasmBytes) return;
  const gib = (size: number) => (size / 2 ** 30).toFixed(1);
  throw new RangeError(
    `a step would hold ${gib(bytes)} GiB, and the wasm engine has room for ${gib(mostWasmBytes)}; give a smaller --batch or --image-size`,
  );
}

function printDocument(result: Result, { batchSize, parameters, seed }: Asked, steps: number): void {
  const document: BenchDocument<Result> = {
    bench: 'train',
    settings: { model: result.model, batch: batchSize, engine: result.engine, parameters, seed },
    machine: thisMachine(),
    repeats: steps,
    results: [result],
  };
  console.log(JSON.stringify(document));
}

function printResult(result: Result, steps: number): void {
  const { model, batch, optimizer, engine, stepSeconds, samplesPerSecond } = result;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const ms = (seconds: number) => `${(1000 * seconds).toPrecision(4)} ms`;
  console.log(`
${model}, batch ${batch}, ${optimizer}, engine ${engine}, median of ${steps} steps in one process
  step     ${ms(stepSeconds)}, of which ${ms(result.exposedCommunicationSeconds)} waiting for sums
  samples  ${samplesPerSecond.toPrecision(4)} a second
  memory   ${mib(result.predictedPeakBytes)} predicted, ${mib(result.measuredPeakBytes)} measured`);
}
