import type { Exchange } from './communication/exchange.ts';
import type { Engine, Handle, Sum } from './engine/engine.ts';

/**
 * Sums that are fetched to the device: each has room there, and is copied into it as soon as it and all fetched before it
 * have arrived. Copies happen one after the other, and what is needed first must not wait behind what is large and came
 * early. Sums that nobody has fetched are taken from the exchange's memory.
 */
export class Arrivals {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  readonly #rooms = new Map<number, Handle>();
  /** Buckets with room whose sums are still on their way to this rank. */
  readonly #waiting: number[] = [];

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  fetch(bucket: number, elements: number): void {
    this.#rooms.set(bucket, this.#engine.room(elements));
    this.#waiting.push(bucket);
  }

  /** Starts copies of what is there; never blocks. */
  startArrived(): void {
    let next = this.#waiting[0];
    while (next !== undefined && this.#exchange.arrived(next)) {
      this.start(next);
      next = this.#waiting[0];
    }
  }

  /** The bucket's sum is there. */
  start(bucket: number): void {
    const at = this.#waiting.indexOf(bucket);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#engine.fill(this.#rooms.get(bucket) as Handle, this.#exchange.sum(bucket));
  }

  /** Where a part of an awaited bucket's sum is. */
  sumOf({ bucket, offset, length }: { bucket: number; offset: number; length: number }): Sum {
    const handle = this.#rooms.get(bucket);
    return handle === undefined
      ? this.#exchange.sum(bucket).subarray(offset, offset + length)
      : { handle, offset, length };
  }

  release(bucket: number): void {
    this.#engine.free(this.#rooms.get(bucket) as Handle);
    this.#rooms.delete(bucket);
  }
}
