import { digestState } from './digest.ts';
import { encodeCheckpoint } from './format.ts';
import type { TrainingState } from './state.ts';
import { type WriteOptions, writeCheckpoint } from './write.ts';

export interface SaverOptions extends WriteOptions {
  onSaved: (step: number, file: string) => void;
  /** Called with the StorageError of a checkpoint that could not be written. */
  onFailure: (error: unknown) => void;
}

/** Writes states one after the other in the background; of several that wait, only the newest is worth writing. */
export class Saver {
  readonly #options: SaverOptions;
  #next: TrainingState | undefined;
  #writing: Promise<void> | undefined;
  #savedStep = -1;

  constructor(options: SaverOptions) {
    this.#options = options;
  }

  save(state: TrainingState): void {
    this.#next = state;
    this.#writing ??= this.#run();
  }

  /** Waits until everything that was given has been written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #run(): Promise<void> {
    try {
      for (let state = this.#take(); state !== undefined; state = this.#take()) {
        if (state.step === this.#savedStep) continue;
        const { tensors } = await digestState(state);
        const pieces = encodeCheckpoint(this.#options.jobUid, state, tensors);
        const file = await writeCheckpoint(state.step, pieces, this.#options);
        this.#savedStep = state.step;
        this.#options.onSaved(state.step, file);
      }
    } catch (error) {
      this.#options.onFailure(error);
    } finally {
      this.#writing = undefined;
    }
  }

  #take(): TrainingState | undefined {
    const state = this.#next;
    this.#next = undefined;
    return state;
  }
}
