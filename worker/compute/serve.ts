import type { MessagePort } from 'node:worker_threads';
import { openExchange } from '../communication/open.ts';
import type { Engine, EngineName, EngineSettings } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import type { TrainingProgram } from '../program/define.ts';
import { loadProgram } from '../program/load.ts';
import { parseParameters } from '../program/parameters.ts';
import { buildTraining, describeTraining, type Training } from './build.ts';
import { failureOf, withDoctor } from './failure.ts';
import type { FromCompute, ToCompute } from './messages.ts';
import { runTraining } from './run.ts';

/** What is trained, and on what. */
export interface Opened {
  program: TrainingProgram;
  engine: Engine;
}

/** The compute thread's side of messages.ts. `change`: for benchmarks, what is trained instead of what was opened. */
export function serveCompute(port: MessagePort, change: (opened: Opened) => Opened = (opened) => opened): void {
  const compute = new Compute(port, change);
  port.on('message', (message: ToCompute) => void compute.handle(message));
}

type Build = Extract<ToCompute, { kind: 'build' }>;
type Start = Extract<ToCompute, { kind: 'start' }>;

class Compute {
  readonly #port: MessagePort;
  readonly #change: (opened: Opened) => Opened;
  #built: { training: Training; config: Build['config'] } | undefined;
  #stepsDone: number | undefined;
  #stopAfter: number | undefined;

  constructor(port: MessagePort, change: (opened: Opened) => Opened) {
    this.#port = port;
    this.#change = change;
  }

  async handle(message: ToCompute): Promise<void> {
    try {
      await this.#obey(message);
    } catch (error) {
      this.#post(failureOf(error, this.#stepsDone));
    }
  }

  async #obey(message: ToCompute): Promise<void> {
    switch (message.kind) {
      case 'build':
        return this.#build(message);
      case 'start':
        return this.#start(message);
      case 'stop':
        this.#stopAfter = Math.min(message.afterStep, this.#stopAfter ?? Infinity);
        return;
      default:
        throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`);
    }
  }

  async #build({ config, engine: name, settings }: Build): Promise<void> {
    const { training, worldSize, memory } = config;
    const loaded = await loadProgram(training.program, process.cwd());
    const parameters = parseParameters(loaded, training.parameters);
    const made = await buildTraining({
      ...this.#change({ program: loaded, engine: await open(name, settings) }),
      parameters,
      batchSize: training.globalBatchSize / worldSize,
      seed: training.seed,
      recycling: memory.recycling,
      alone: worldSize === 1,
    });
    this.#built = { training: made, config };
    this.#post(await describeTraining(made));
  }

  async #start({ state, exchange }: Start): Promise<void> {
    if (this.#built === undefined) throw new Error('start comes after build');
    const { training, config } = this.#built;
    this.#stepsDone = state.step;
    const finished = await runTraining({
      training,
      exchange: openExchange(exchange),
      state,
      rank: config.rank,
      worldSize: config.worldSize,
      steps: config.training.steps,
      checkpointEverySteps: config.checkpoint.everySteps,
      clock: () => performance.now(),
      post: (message) => this.#post(message),
      stopAfter: () => this.#stopAfter,
    });
    this.#post(finished);
  }

  /** Sends a message; tensors travel without a copy. */
  #post(message: FromCompute): void {
    if (message.kind === 'step') this.#stepsDone = message.step;
    const tensors = message.kind === 'snapshot' || message.kind === 'finished' ? message.state.tensors : [];
    this.#port.postMessage(
      message,
      tensors.map(({ data }) => data.buffer as ArrayBuffer),
    );
  }
}

async function open(name: EngineName, settings: EngineSettings): Promise<Engine> {
  try {
    return await openEngine(name, settings);
  } catch (error) {
    throw withDoctor(error, settings.device);
  }
}
