import type { Exchange } from './communication/exchange.ts';
import type { Engine, Handle, Sum } from './engine/engine.ts';

/**
 * Sums that are fetched to the device: each has room there, and is copied into it as soon as it has arrived. Sums that
 * nobody has fetched are taken from the exchange's memory.
 */
export class Arrivals {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  /** By bucket. */
  readonly #rooms = new Map<number, Handle>();
  /** Buckets with room, whose sums are still on their way to this rank. */
  readonly #waiting = new Set<number>();

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  fetch({ bucket, elements }: { bucket: number; elements: number }): void {
    this.#rooms.set(bucket, this.#engine.room(elements));
    this.#waiting.add(bucket);
  }

  /** Starts copies of what is there; never blocks. */
  startArrived(): void {
    for (const bucket of this.#waiting) if (this.#exchange.arrived(bucket)) this.start(bucket);
  }

  /** The bucket's sum is there. */
  start(bucket: number): void {
    if (!this.#waiting.delete(bucket)) return;
    const room = this.#rooms.get(bucket) as Handle;
    this.#engine.fill(room, this.#exchange.sum(bucket));
  }

  /** Where a part of an awaited bucket's sum is. */
  sumOf({ bucket, offset, length }: { bucket: number; offset: number; length: number }): Sum {
    const handle = this.#rooms.get(bucket);
    if (handle === undefined) return this.#exchange.sum(bucket).subarray(offset, offset + length);
    return { handle, offset, length };
  }

  release(bucket: number): void {
    const room = this.#rooms.get(bucket);
    if (room !== undefined) this.#engine.free(room);
    this.#rooms.delete(bucket);
  }
}
