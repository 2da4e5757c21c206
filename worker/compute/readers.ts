import type { Engine, Handle } from '../engine/engine.ts';
import type { Reading, StepContext } from '../train-step.ts';

/** Reads at once, and waits for the device. */
export function readNow(engine: Engine): StepContext['reader'] {
  return (handle): Reading => ({ data: engine.read(handle), transfer: 0 });
}

/** Steps whose numbers may be under way at the same time. */
const stepsUnderWay = 2;
const mostNumbers = 16;

/**
 * Reads a few numbers without waiting for the device, into memory that the engine knows; they are valid until the same
 * numbers of the step after the next are read. Anything larger is read at once.
 */
export class StepReader {
  readonly #engine: Engine;
  readonly #memory = new Float32Array(new SharedArrayBuffer(4 * mostNumbers * stepsUnderWay));
  #steps = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.pin(this.#memory);
  }

  readonly read = (handle: Handle, which: number): Reading => {
    const numbers = handle.shape.reduce((product, size) => product * size, 1);
    if (numbers !== 1 || handle.dtype !== 'float32' || which >= mostNumbers)
      return readNow(this.#engine)(handle, which);
    const at = (this.#steps % stepsUnderWay) * mostNumbers + which;
    const data = this.#memory.subarray(at, at + 1);
    return { data, transfer: this.#engine.send(handle, data) };
  };

  /** A step has been asked for. */
  next(): void {
    this.#steps += 1;
  }

  close(): void {
    this.#engine.unpin(this.#memory);
  }
}
