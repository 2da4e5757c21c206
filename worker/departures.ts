import type { Exchange } from './communication/exchange.ts';
import type { Engine, Transfer } from './engine/engine.ts';

/** Buckets whose last bytes are still on their way from the device; they are submitted in order, as soon as they are in. */
export class Departures {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  readonly #waiting: { bucket: number; transfer: Transfer }[] = [];
  #last: Transfer = 0;

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  /** Bytes of the bucket that is submitted next are on their way. */
  sent(transfer: Transfer): void {
    this.#last = Math.max(this.#last, transfer);
  }

  /** The bucket is complete once everything that was sent has arrived. */
  submit(bucket: number): void {
    this.#waiting.push({ bucket, transfer: this.#last });
    this.#engine.arrived(this.#last); // an engine that is asked sends what it has put off
    this.submitArrived();
  }

  submitArrived(): void {
    let next = this.#waiting[0];
    while (next !== undefined && this.#engine.arrived(next.transfer)) {
      this.#exchange.submit(next.bucket);
      this.#waiting.shift();
      next = this.#waiting[0];
    }
  }

  /**
   * Blocks until all of them have left: before this rank waits for others, which may be waiting for it. Something can be
   * done after each.
   */
  submitAll(between: () => void = () => {}): void {
    for (const { bucket, transfer } of this.#waiting.splice(0)) {
      this.#engine.wait(transfer);
      this.#exchange.submit(bucket);
      between();
    }
  }
}
