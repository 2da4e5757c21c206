import { compareUrgency, type Urgency } from './schedule/priority.ts';
import type { ExchangePlan } from './schedule/types.ts';

export interface QueuedSend extends Urgency {
  step: number;
  bytes: number;
}

/** What waits to be sent to one peer, most urgent first, and how much of it the peer lets us send. */
export class SendQueue {
  readonly #order: ExchangePlan['order'];
  /** Least urgent first: the next one is popped. */
  readonly #waiting: QueuedSend[] = [];
  #credit = 0;

  constructor(order: ExchangePlan['order']) {
    this.#order = order;
  }

  grant(bytes: number): void {
    this.#credit += bytes;
  }

  add(send: QueuedSend): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareUrgency(this.#order, this.#waiting[middle]!, send) > 0) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, send);
  }

  /** The most urgent send, if the credit reaches for it. A less urgent one never overtakes it. */
  next(): QueuedSend | undefined {
    const send = this.#waiting.at(-1);
    if (send === undefined || send.bytes > this.#credit) return undefined;
    this.#credit -= send.bytes;
    return this.#waiting.pop();
  }

  has(bucket: number): boolean {
    return this.#waiting.some((send) => send.bucket === bucket);
  }
}
