import { parentPort } from 'node:worker_threads';
import { openExchange } from '../communication/open.ts';
import type { Engine, EngineName, EngineSettings } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import { loadProgram } from '../program/load.ts';
import { parseParameters } from '../program/parameters.ts';
import { buildTraining, describeTraining, type Training } from './build.ts';
import { failureOf, withDoctor } from './failure.ts';
import type { FromCompute, ToCompute } from './messages.ts';
import { runTraining } from './run.ts';

/** Entry of the compute thread: wiring, and the messages of messages.ts. */
if (parentPort === null) throw new Error('this module is the entry of a worker thread');
const port = parentPort;

type Build = Extract<ToCompute, { kind: 'build' }>;
type Start = Extract<ToCompute, { kind: 'start' }>;

let built: { training: Training; config: Build['config'] } | undefined;
let stepsDone: number | undefined;
let stopAfter: number | undefined;

port.on('message', (message: ToCompute) => {
  handle(message).catch((error: unknown) => post(failureOf(error, stepsDone)));
});

async function handle(message: ToCompute): Promise<void> {
  switch (message.kind) {
    case 'build':
      return build(message);
    case 'start':
      return start(message);
    case 'stop':
      stopAfter = Math.min(message.afterStep, stopAfter ?? Infinity);
      return;
    default:
      throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`);
  }
}

async function build({ config, engine: name, settings }: Build): Promise<void> {
  const { training, worldSize, memory } = config;
  const program = await loadProgram(training.program, process.cwd());
  const made = await buildTraining({
    program,
    parameters: parseParameters(program, training.parameters),
    batchSize: training.globalBatchSize / worldSize,
    seed: training.seed,
    recycling: memory.recycling,
    engine: await open(name, settings),
  });
  built = { training: made, config };
  post(await describeTraining(made));
}

async function open(name: EngineName, settings: EngineSettings): Promise<Engine> {
  try {
    return await openEngine(name, settings);
  } catch (error) {
    throw withDoctor(error, settings.device);
  }
}

async function start({ state, exchange }: Start): Promise<void> {
  if (built === undefined) throw new Error('start comes after build');
  const { training, config } = built;
  stepsDone = state.step;
  const finished = await runTraining({
    training,
    exchange: openExchange(exchange),
    state,
    rank: config.rank,
    worldSize: config.worldSize,
    steps: config.training.steps,
    checkpointEverySteps: config.checkpoint.everySteps,
    clock: () => performance.now(),
    post,
    stopAfter: () => stopAfter,
  });
  post(finished);
}

/** Sends a message; tensors travel without a copy. */
function post(message: FromCompute): void {
  if (message.kind === 'step') stepsDone = message.step;
  const tensors = message.kind === 'snapshot' || message.kind === 'finished' ? message.state.tensors : [];
  port.postMessage(
    message,
    tensors.map(({ data }) => data.buffer as ArrayBuffer),
  );
}
