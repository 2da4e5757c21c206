import type { Exchange } from './communication/exchange.ts';
import type { Engine, Transfer } from './engine/engine.ts';

/** While a sum is awaited, how long at most nobody looks after what is still leaving. */
const patienceMs = 0.1;

/** A bucket whose last bytes are still on their way from the device: by lane, the last of its transfers. */
interface Leaving {
  bucket: number;
  last: (Transfer | undefined)[];
}

/** Buckets on their way from the device; each is submitted as soon as all of it is in, whichever was complete first. */
export class Departures {
  readonly #engine: Engine;
  readonly #exchange: Exchange;
  /** Of buckets that are not complete. */
  readonly #sent = new Map<number, Leaving['last']>();
  #leaving: Leaving[] = [];
  /** Lanes in which something has not arrived, and so nothing behind it. */
  readonly #waiting = new Set<number>();

  constructor(engine: Engine, exchange: Exchange) {
    this.#engine = engine;
    this.#exchange = exchange;
  }

  /** Bytes of the bucket are on their way. */
  sent(bucket: number, transfer: Transfer): void {
    let last = this.#sent.get(bucket);
    if (last === undefined) this.#sent.set(bucket, (last = []));
    last[transfer % this.#engine.lanes] = transfer;
  }

  /** All of the bucket has been sent. */
  submit(bucket: number): void {
    const last = this.#sent.get(bucket) ?? [];
    this.#sent.delete(bucket);
    this.#leaving.push({ bucket, last });
    for (const transfer of last) if (transfer !== undefined) this.#engine.arrived(transfer); // sends what was put off
    this.submitArrived();
  }

  submitArrived(): void {
    if (this.#leaving.length === 0) return;
    this.#waiting.clear();
    this.#leaving = this.#leaving.filter(({ bucket, last }) => {
      let isLeaving = false;
      last.forEach((transfer, lane) => {
        if (transfer === undefined) return;
        if (!this.#waiting.has(lane) && this.#engine.arrived(transfer)) last[lane] = undefined;
        else {
          this.#waiting.add(lane);
          isLeaving = true;
        }
      });
      if (!isLeaving) this.#exchange.submit(bucket);
      return isLeaving;
    });
  }

  /**
   * Blocks until the bucket's sum has arrived; returns the seconds spent blocked once all of the bucket had left. Meanwhile
   * goes on submitting, since others may be waiting for what leaves here, and asks again and again whether it `isOver`.
   */
  await(bucket: number, isOver: () => boolean = () => false): number {
    let seconds = 0;
    while (!isOver()) {
      if (this.#leaving.length === 0 || this.#exchange.arrived(bucket)) return seconds + this.#exchange.await(bucket);
      const isLeaving = this.#leaving.some((leaving) => leaving.bucket === bucket);
      if (!isLeaving) seconds += this.#exchange.await(bucket, patienceMs);
      this.submitArrived();
    }
    return seconds;
  }
}
