import type { Exchange } from './communication/exchange.ts';
import type { Engine, Expected, Handle, Sum } from './engine/engine.ts';

/** Where a bucket's sum goes on the engine: to `first` and what follows. */
interface Place {
  handle: Handle;
  first: number;
  /** It was made for the sum, and goes with it. */
  isRoom: boolean;
}

/** A sum on its way to its place: brought to the engine, or needed by it, one before the other. */
interface Coming {
  expected: Expected;
  state: 'expected' | 'brought' | 'needed';
}

/**
 * Sums that come to the device: each has a place there, and is copied into it as soon as it has arrived. Sums without
 * one are taken from the exchange's memory.
 */
export class Arrivals {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  /** By bucket. */
  readonly #places = new Map<number, Place>();
  readonly #coming = new Map<number, Coming>();
  /** How many of them are needed: mostly none. */
  #neededCount = 0;

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  /** Makes room for the bucket's sum. */
  fetch({ bucket, elements }: { bucket: number; elements: number }): void {
    const place = { handle: this.#engine.room(elements), first: 0, isRoom: true };
    this.#expect(bucket, place, elements, false);
  }

  /** The bucket's sum comes to where this rank's contribution was sent from, which {@link release} does not free. */
  stay({ bucket, first }: { bucket: number; first: number }, handle: Handle): void {
    this.#expect(bucket, { handle, first, isRoom: false }, this.#exchange.sum(bucket).length, true);
  }

  #expect(bucket: number, place: Place, elements: number, isVacant: boolean): void {
    this.#places.set(bucket, place);
    const expected = this.#engine.expect(place.handle, place.first, elements, isVacant);
    this.#coming.set(bucket, { expected, state: 'expected' });
  }

  /** Starts copies of what is there; never blocks. */
  bringArrived(): void {
    for (const [bucket, { state }] of this.#coming) {
      if (state !== 'brought' && this.#exchange.arrived(bucket)) this.bring(bucket);
    }
  }

  /** The bucket's sum is there: starts its copy if it has a place that is not in use any more. */
  bring(bucket: number): void {
    const coming = this.#coming.get(bucket);
    if (coming === undefined || coming.state === 'brought') return;
    if (!this.#engine.bring(coming.expected, this.#exchange.sum(bucket))) return;
    if (coming.state !== 'needed') {
      coming.state = 'brought';
      return;
    }
    this.#neededCount -= 1;
    this.#end(bucket);
  }

  /**
   * What the engine is asked for from now on finds the sum in its place, if it has one. False: it has to be there first.
   * With `mayWait` the engine may wait for it instead; it is {@link needed} then until it is there.
   */
  settle(bucket: number, mayWait: boolean): boolean {
    const coming = this.#coming.get(bucket);
    if (coming === undefined || coming.state === 'needed') return false;
    const { expected, state } = coming;
    if ((state === 'expected' && !mayWait) || !this.#engine.settle(expected)) return false;
    if (state === 'brought') this.#end(bucket);
    else {
      this.#coming.delete(bucket); // behind what is needed before
      this.#coming.set(bucket, { expected, state: 'needed' });
      this.#neededCount += 1;
    }
    return true;
  }

  #end(bucket: number): void {
    this.#coming.delete(bucket);
    this.#exchange.await(bucket); // has arrived: its next round may begin
  }

  /** The first of the buckets that the engine waits for. */
  get needed(): number | undefined {
    if (this.#neededCount === 0) return undefined;
    for (const [bucket, { state }] of this.#coming) if (state === 'needed') return bucket;
    return undefined;
  }

  /** The first of them whose sum comes into that memory. */
  neededIn(handle: Handle): number | undefined {
    if (this.#neededCount === 0) return undefined;
    for (const [bucket, { state }] of this.#coming) {
      if (state === 'needed' && this.#places.get(bucket)?.handle === handle) return bucket;
    }
    return undefined;
  }

  /** Whether the bucket's sum comes into a room of its own. */
  hasRoom(bucket: number): boolean {
    return this.#places.get(bucket)?.isRoom === true;
  }

  /** Whether the bucket's sum has a place that it has not been copied to. */
  isComing(bucket: number): boolean {
    const coming = this.#coming.get(bucket);
    return coming !== undefined && coming.state !== 'brought';
  }

  /** Whether another bucket's has. */
  isComingBesides(bucket: number): boolean {
    for (const [other, { state }] of this.#coming) if (other !== bucket && state !== 'brought') return true;
    return false;
  }

  /** Where a part of a settled bucket's sum is. */
  sumOf({ bucket, offset, length }: { bucket: number; offset: number; length: number }): Sum {
    const place = this.#places.get(bucket);
    if (place === undefined) return this.#exchange.sum(bucket).subarray(offset, offset + length);
    return { handle: place.handle, offset: place.first + offset, length };
  }

  /** Frees the room that was fetched into. */
  release(bucket: number): void {
    const place = this.#places.get(bucket);
    if (place !== undefined) this.#engine.free(place.handle);
    this.#places.delete(bucket);
  }
}
