import type { Exchange } from './communication/exchange.ts';
import type { Engine, Handle, Sum } from './engine/engine.ts';

/** Where the elements of a bucket's sum from `offset` to before `end` go on the device. */
interface Room {
  bucket: number;
  offset: number;
  end: number;
  handle: Handle;
}

interface Piece {
  sum: Sum;
  /** Element of the variable that the piece begins with. */
  first: number;
}

interface Part {
  first: number;
  bucket: number;
  offset: number;
  length: number;
}

/**
 * Sums that are fetched to the device: each has room there, and is copied into it as soon as it has arrived. Sums that
 * nobody has fetched are taken from the exchange's memory.
 */
export class Arrivals {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  /** By bucket. */
  readonly #rooms = new Map<number, Room[]>();
  /** Rooms for sums that are still on their way to this rank. */
  #waiting: Room[] = [];

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  fetch({ bucket, offset, elements }: { bucket: number; offset: number; elements: number }): void {
    const room = { bucket, offset, end: offset + elements, handle: this.#engine.room(elements) };
    this.#rooms.set(bucket, [...(this.#rooms.get(bucket) ?? []), room]);
    this.#waiting.push(room);
  }

  /** Starts copies of what is there; never blocks. */
  startArrived(): void {
    if (this.#waiting.length === 0) return;
    const arrived = this.#waiting.filter(({ bucket }) => this.#exchange.arrived(bucket));
    if (arrived.length === 0) return;
    this.#waiting = this.#waiting.filter((room) => !arrived.includes(room));
    for (const room of arrived) this.#fill(room);
  }

  /** The bucket's sum is there. */
  start(bucket: number): void {
    const due = this.#waiting.filter((room) => room.bucket === bucket);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((room) => room.bucket !== bucket);
    for (const room of due) this.#fill(room);
  }

  /** Where a part of an awaited bucket's sum is, which belongs to its variable from element `first` on: in pieces. */
  sumsOf({ first, bucket, offset, length }: Part): Piece[] {
    const rooms = this.#rooms.get(bucket);
    if (rooms === undefined) {
      return [{ sum: this.#exchange.sum(bucket).subarray(offset, offset + length), first }];
    }
    return rooms.flatMap((room): Piece[] => {
      const [start, end] = [Math.max(offset, room.offset), Math.min(offset + length, room.end)];
      if (start >= end) return [];
      const sum = { handle: room.handle, offset: start - room.offset, length: end - start };
      return [{ sum, first: first + start - offset }];
    });
  }

  release(bucket: number): void {
    for (const { handle } of this.#rooms.get(bucket) ?? []) this.#engine.free(handle);
    this.#rooms.delete(bucket);
  }

  #fill({ bucket, offset, end, handle }: Room): void {
    this.#engine.fill(handle, this.#exchange.sum(bucket).subarray(offset, end));
  }
}
