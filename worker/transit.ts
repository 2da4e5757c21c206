import { Arrivals } from './arrivals.ts';
import type { Exchange } from './communication/exchange.ts';
import { Departures } from './departures.ts';
import type { Engine, Handle } from './engine/engine.ts';

/**
 * Kernels and sums for which the host goes on ahead of a device that waits for a sum: enough to keep it busy once the sum is there,
 * while all that they start still fits into the device's queue. The host must never be held up by a full one, since it is
 * the host that brings the sum.
 */
const mostAhead = 32;

/** Looking after all that is on its way costs the host as much as starting a kernel. */
const betweenLooksMs = 0.25;

/**
 * A device does not wait for a larger sum that has a room of its own: the room is freed right after the sum was needed, and
 * if that is before it has come, the engine keeps it beyond the plan.
 */
const mostRoomElements = 1 << 20;

/**
 * Gradients and sums between an engine and the exchange. A device that computes by itself waits for sums by itself too, so
 * that the host need not stand still for them; what the device waits for the host brings between other things.
 */
export class Transit {
  readonly departures: Departures;
  readonly arrivals: Arrivals;
  readonly #exchange: Exchange;
  readonly #clock: () => number;
  #lookedMs = -Infinity;
  #mayDeviceWait = false;
  #ahead = 0;

  /** `clock` says monotonic milliseconds. */
  constructor(engine: Engine, exchange: Exchange, clock: () => number) {
    this.#clock = clock;
    this.#exchange = exchange;
    this.departures = new Departures(engine, exchange);
    this.arrivals = new Arrivals(engine, exchange);
  }

  /**
   * From now on: a step has been done with all its memory. A device that is out of memory waits for itself before it says
   * so, for ever if it waits for a sum.
   */
  letDeviceWait(): void {
    this.#mayDeviceWait = true;
  }

  /** What comes next needs the bucket's sum. Returns the seconds for which this thread stood still for it. */
  await(bucket: number): number {
    const isLargeRoom = this.arrivals.hasRoom(bucket) && this.#exchange.sum(bucket).length > mostRoomElements;
    if (this.arrivals.settle(bucket, this.#mayDeviceWait && !isLargeRoom)) {
      this.#goAhead();
      return 0;
    }
    const seconds = this.#waitFor(bucket);
    this.arrivals.settle(bucket, false);
    return seconds;
  }

  /** Makes room for the bucket's sum. */
  fetch(event: { bucket: number; elements: number }): void {
    this.#end(event.bucket);
    this.arrivals.fetch(event);
  }

  /** The bucket's sum comes to where this rank's contribution was sent from. */
  stay(event: { bucket: number; first: number }, handle: Handle): void {
    this.#end(event.bucket);
    this.arrivals.stay(event, handle);
  }

  /** The round before, if the device still waits for its sum. */
  #end(bucket: number): void {
    if (this.arrivals.isComing(bucket)) this.#waitFor(bucket);
  }

  /** A tensor is about to be freed: what the device waits for in its memory comes before, or the engine would keep it beyond the plan. */
  vacate(handle: Handle): void {
    for (let bucket = this.arrivals.neededIn(handle); bucket !== undefined; bucket = this.arrivals.neededIn(handle)) {
      this.#waitFor(bucket);
    }
  }

  /** Whenever a kernel has been started: moves on what can be. */
  proceed(): void {
    if (this.#clock() - this.#lookedMs >= betweenLooksMs) this.#look();
    this.#goAhead();
  }

  #goAhead(): void {
    this.#ahead = this.arrivals.needed === undefined ? 0 : this.#ahead + 1;
    if (this.#ahead > mostAhead) this.catchUp();
  }

  #look(): void {
    this.departures.submitArrived();
    this.arrivals.bringArrived();
    this.#lookedMs = this.#clock();
  }

  /** Brings all that the device waits for: before this thread waits for the device. */
  catchUp(): void {
    for (let bucket = this.arrivals.needed; bucket !== undefined; bucket = this.arrivals.needed) this.#waitFor(bucket);
    this.#ahead = 0;
  }

  #waitFor(bucket: number): number {
    const { arrivals, departures } = this;
    const hasPlace = arrivals.isComing(bucket);
    const isOver = () => {
      arrivals.bringArrived();
      return hasPlace && !arrivals.isComing(bucket);
    };
    let seconds = departures.await(bucket, isOver, () => arrivals.isComingBesides(bucket));
    while (arrivals.isComing(bucket)) {
      // Its place is about to be free: perhaps only behind what the device waits for.
      const first = arrivals.needed;
      if (first !== undefined && first !== bucket) seconds += this.#waitFor(first);
      arrivals.bring(bucket);
    }
    return seconds;
  }
}
