import { Worker } from 'node:worker_threads';
import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import type { TrainingState } from './checkpoint/state.ts';
import type { SharedExchange } from './communication/exchange.ts';
import type { Built, FromCompute, StepDone, ToCompute } from './compute/messages.ts';
import { computeError, WorkerError } from './ending.ts';
import type { EngineName, EngineSettings } from './engine/engine.ts';

export type Finished = Extract<FromCompute, { kind: 'finished' }>;

export interface ComputeHandlers {
  onStep: (step: StepDone) => void;
  onSnapshot: (state: TrainingState) => void;
  /** The thread cannot go on, or ended without a word. */
  onFailure: (error: WorkerError) => void;
}

/** The main thread's end of the compute thread. */
export class ComputeLink {
  readonly #thread: Worker;
  readonly #handlers: ComputeHandlers;
  readonly #built = Promise.withResolvers<Built>();
  readonly #finished = Promise.withResolvers<Finished>();
  #over = false;
  #training = false;
  #stopAfter: number | undefined;

  /** @param entry module of the compute thread */
  constructor(entry: URL, handlers: ComputeHandlers) {
    this.#handlers = handlers;
    this.#thread = new Worker(entry, { name: 'compute' });
    this.#thread.on('message', (message: FromCompute) => this.#onMessage(message));
    this.#thread.on('error', (error) => this.#crashed(error));
    this.#thread.on('exit', (code) => this.#crashed(new Error(`the compute thread ended with code ${code}`)));
  }

  build(config: WorkerConfig, engine: EngineName, settings: EngineSettings): Promise<Built> {
    this.#post({ kind: 'build', config, engine, settings });
    return this.#built.promise;
  }

  /** Trains from `state`; resolves when the compute thread has finished or stopped. */
  train(state: TrainingState, exchange: SharedExchange): Promise<Finished> {
    this.#post({ kind: 'start', state, exchange }, exchange.ports);
    this.#training = true;
    if (this.#stopAfter !== undefined) this.stop(this.#stopAfter);
    return this.#finished.promise;
  }

  /** Ends training when `afterStep` steps are done; may be called before it starts. */
  stop(afterStep: number): void {
    this.#stopAfter = afterStep;
    if (this.#training) this.#post({ kind: 'stop', afterStep });
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#thread.terminate();
  }

  #post(message: ToCompute, transfer: SharedExchange['ports'] = []): void {
    this.#thread.postMessage(message, [...transfer]);
  }

  #onMessage(message: FromCompute): void {
    switch (message.kind) {
      case 'built':
        return this.#built.resolve(message);
      case 'step':
        return this.#handlers.onStep(message);
      case 'snapshot':
        return this.#handlers.onSnapshot(message.state);
      case 'finished':
        return this.#finished.resolve(message);
      case 'failed':
        return this.#fail(computeError(message));
      default:
        return assertNever(message);
    }
  }

  #crashed(cause: unknown): void {
    const { code, message, stack } = cause as NodeJS.ErrnoException;
    const memory = code === 'ERR_WORKER_OUT_OF_MEMORY';
    this.#fail(
      new WorkerError(
        memory
          ? {
              class: 'outOfMemory',
              reason: 'HeapOutOfMemory',
              message: `the compute thread ran out of memory: ${message}`,
            }
          : { class: 'program', reason: 'Uncaught', message: `uncaught on the compute thread: ${stack ?? message}` },
        { cause },
      ),
    );
  }

  #fail(error: WorkerError): void {
    if (this.#over) return;
    this.#over = true;
    this.#handlers.onFailure(error);
  }
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
