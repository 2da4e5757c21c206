/** `npm run bench -- train`: seconds of a training step in one process, ours or TensorFlow.js's own, or in several. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { usualLanes } from '../../worker/communication/lanes.ts';
import { reuseSentence } from '../../worker/memory/reuse-sentence.ts';
import { type BenchDocument, wholeNumber } from './document.ts';
import { engineOptions, engineSettings } from './engine-options.ts';
import { machineWith } from './gpu-machine.ts';
import { chosenModels, type Model, modelOptions, models, trainingOf } from './models.ts';
import { profileLines } from './profile.ts';
import { timelineLines } from './timeline.ts';
import { type Asked, type EngineChoice, measure, summaryOf } from './train-measure.ts';
import { runWorld } from './train-world-report.ts';

const engines: readonly EngineChoice[] = ['wasm', 'native', 'stock', 'stock-node'];

interface Result extends ReturnType<typeof summaryOf> {
  model: string;
  batch: number;
  /** Height and width of a picture; null where the model knows one size only. */
  imageSize: number | null;
  world: number;
  engine: EngineChoice;
  device: Asked['device'];
  precision: Asked['precision'];
  residentBatch: boolean;
  /** Gradients went through the exchange's memory. */
  handOver: boolean;
  optimizer: string;
  /** Of the whole process in memory of the host, as the system counts it. */
  processPeakBytes: number;
}

/** Runs the benchmark with command-line arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      ...modelOptions,
      ...engineOptions,
      engine: { type: 'string', default: 'wasm' },
      steps: { type: 'string', default: '10' },
      'warm-up': { type: 'string' },
      'resident-batch': { type: 'boolean', default: false },
      'hand-over': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      world: { type: 'string', default: '1' },
      lanes: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.model === undefined) {
    throw new RangeError(`--model: one of ${models.map(({ name }) => name).join(', ')} is needed`);
  }
  const [model] = chosenModels(values) as [Model];
  const engine = engineChoice(values.engine);
  const settings = engineSettings(values);
  if (settings.device === 'gpu' && (engine === 'wasm' || engine === 'stock')) {
    throw new RangeError(`--engine ${engine} computes on the CPU; add --engine native or stock-node`);
  }
  if (engine === 'stock' && (values['resident-batch'] || values['warm-up'] !== undefined)) {
    throw new RangeError(
      '--engine stock takes a new batch every step and warms up for one; leave --resident-batch and --warm-up out',
    );
  }
  if (values['hand-over'] && (engine === 'stock' || engine === 'stock-node')) {
    throw new RangeError(`--engine ${engine} has no exchange to hand over to; leave --hand-over out`);
  }
  if (values.profile && (engine === 'stock' || engine === 'stock-node')) {
    throw new RangeError(
      `--engine ${engine} is TensorFlow.js's own step, kernels of which nobody marks; leave --profile out`,
    );
  }
  const usualWarmUp = engine === 'stock' ? '1' : settings.device === 'gpu' ? '10' : '2';
  const asked: Asked = {
    ...(await trainingOf(model, values)),
    ...settings,
    engine,
    steps: wholeNumber('steps', values.steps, 1, 100_000),
    warmUpSteps: wholeNumber('warm-up', values['warm-up'] ?? usualWarmUp, 1, 1000),
    isBatchResident: values['resident-batch'],
    isHandingOver: values['hand-over'],
    isProfiling: values.profile,
  };
  const world = wholeNumber('world', values.world, 1, 64);
  const lanes = wholeNumber('lanes', values.lanes ?? String(usualLanes(availableParallelism())), 1, 16);
  if (world > 1) return runWorld(model, asked, { world, lanes, json: values.json });
  const measured = await measure(asked);
  const result: Result = {
    model: model.name,
    batch: asked.batchSize,
    imageSize: (asked.parameters as { imageSize?: number }).imageSize ?? null,
    world: 1,
    engine,
    ...settings,
    residentBatch: asked.isBatchResident,
    handOver: asked.isHandingOver,
    optimizer: asked.program.optimizer(asked.parameters).kind,
    ...summaryOf(measured, asked.batchSize),
    processPeakBytes: 1024 * process.resourceUsage().maxRSS,
  };
  if (values.json) console.log(JSON.stringify(await documentOf(result, asked)));
  else printResult(result, asked.steps);
}

function engineChoice(text: string): EngineChoice {
  const choice = engines.find((name) => name === text);
  if (choice === undefined) throw new RangeError(`--engine ${text}: one of ${engines.join(', ')} is needed`);
  return choice;
}

async function documentOf(result: Result, asked: Asked): Promise<BenchDocument<Result>> {
  const { model, batch, engine, device, precision, residentBatch, handOver } = result;
  const { parameters, seed, warmUpSteps, steps } = asked;
  return {
    bench: 'train',
    settings: { model, batch, engine, device, precision, residentBatch, handOver, parameters, seed, warmUpSteps },
    machine: await machineWith(device),
    repeats: steps,
    results: [result],
  };
}

function printResult(result: Result, steps: number): void {
  const { model, batch, optimizer, engine, device, precision, stepSeconds, windowSeconds, samplesPerSecond } = result;
  const mib = (bytes: number | null) => (bytes === null ? 'not' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  const ms = (seconds: number) => `${(1000 * seconds).toPrecision(4)} ms`;
  const { allocatorReservedBytes: reserved } = result;
  const taken = reserved === null ? '' : `, which has taken ${mib(reserved)}`;
  console.log(`
${model}, batch ${batch}, ${optimizer}, engine ${engine} on the ${device} in ${precision}, median of ${steps} steps in one process
  step     ${ms(stepSeconds)}, of which ${ms(result.exposedCommunicationSeconds)} waiting for sums; ${ms(windowSeconds)} a step over all
  samples  ${samplesPerSecond.toPrecision(4)} a second
  memory   ${mib(result.predictedPeakBytes)} predicted, ${mib(result.measuredPeakBytes)} measured, ${mib(result.allocatorPeakBytes)} by the allocator${taken}${reuseText(result.reuse)}${choicesText(result.choices)}`);
  for (const line of result.buckets === undefined ? [] : timelineLines(result.buckets)) console.log(line);
  if (result.profile !== undefined) for (const line of profileLines(result.profile)) console.log(line);
}

function choicesText(choices: Result['choices']): string {
  return choices.map((choice) => `\n  chosen   ${choice}`).join('');
}

function reuseText(reuse: Result['reuse']): string {
  return reuse === null ? '' : `\n  reuse    ${reuseSentence(reuse)}`;
}
