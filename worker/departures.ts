import type { Exchange } from './communication/exchange.ts';
import type { Engine, Handle, SentPart, Transfer } from './engine/engine.ts';

/** While a sum is awaited, how long at most nobody looks after what is still leaving. */
const patienceMs = 0.1;

/** A bucket whose bytes are on their way from the device. */
interface Leaving {
  bucket: number;
  /** That have not arrived. */
  transfers: Transfer[];
}

/** A part of a contribution and of a bucket. */
interface Part {
  bucket: number;
  first: number;
  offset: number;
  length: number;
}

/** Buckets on their way from the device; each is submitted as soon as all of it is in, whichever was complete first. */
export class Departures {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  /** Of buckets that are not complete. */
  readonly #parts = new Map<number, SentPart[]>();
  #leaving: Leaving[] = [];
  /** Lanes in which something has not arrived, and so nothing behind it. */
  readonly #waiting = new Set<number>();

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  /** A part of the bucket is final. A device far away is asked for all parts together, once the bucket is complete. */
  handOver({ bucket, first, offset, length }: Part, handle: Handle): void {
    if (!this.#engine.fetches) {
      this.#engine.send(handle, this.#exchange.outgoing(bucket).subarray(offset, offset + length), first);
      return;
    }
    const part = { handle, first, offset, length };
    const parts = this.#parts.get(bucket);
    if (parts === undefined) this.#parts.set(bucket, [part]);
    else parts.push(part);
  }

  /** All of the bucket has been handed over. */
  submit(bucket: number): void {
    const parts = this.#parts.get(bucket);
    this.#parts.delete(bucket);
    const transfers = parts === undefined ? [] : this.#engine.sendAll(parts, this.#exchange.outgoing(bucket));
    if (transfers.length === 0) this.#exchange.submit(bucket);
    else this.#leaving.push({ bucket, transfers });
  }

  submitArrived(): void {
    if (this.#leaving.length === 0) return;
    this.#waiting.clear();
    this.#leaving = this.#leaving.filter((leaving) => {
      leaving.transfers = leaving.transfers.filter((transfer) => !this.#hasArrived(transfer));
      if (leaving.transfers.length === 0) this.#exchange.submit(leaving.bucket);
      return leaving.transfers.length > 0;
    });
  }

  #hasArrived(transfer: Transfer): boolean {
    const lane = transfer % this.#engine.lanes;
    if (this.#waiting.has(lane)) return false;
    if (this.#engine.arrived(transfer)) return true;
    this.#waiting.add(lane);
    return false;
  }

  /**
   * Blocks until the bucket's sum has arrived; returns the seconds spent blocked once all of the bucket had left. Meanwhile
   * goes on submitting, since others may be waiting for what leaves here, and asks again and again whether it `isOver`: as
   * long as something leaves, or that `hasMore` to do.
   */
  await(bucket: number, isOver: () => boolean = () => false, hasMore: () => boolean = () => false): number {
    let seconds = 0;
    while (!isOver()) {
      const isAlone = this.#leaving.length === 0 && !hasMore();
      if (isAlone || this.#exchange.arrived(bucket)) return seconds + this.#exchange.await(bucket);
      const isLeaving = this.#leaving.some((leaving) => leaving.bucket === bucket);
      if (!isLeaving) seconds += this.#exchange.await(bucket, patienceMs);
      this.submitArrived();
    }
    return seconds;
  }
}
