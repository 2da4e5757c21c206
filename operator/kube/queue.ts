import type { Clock } from './clock.ts';

export interface QueueOptions {
  clock: Clock;
  /** First delay after a failure; doubles with every further one. */
  firstDelayMs?: number;
  maxDelayMs?: number;
  onAdd?: () => void;
  onRetry?: () => void;
}

/**
 * Work queue of keys. A key waits at most once; a key added while it is worked on comes again afterwards; the same key
 * is never handed out twice at a time. Failures delay a key exponentially until {@link KeyedQueue.forget}.
 */
export class KeyedQueue {
  readonly #options: QueueOptions;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { dueMs: number; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Keys ready to be taken. */
  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#options.onAdd?.();
    this.#waiting.add(key);
    this.#hand();
  }

  /** Adds `key` after `delayMs`; of several delays the soonest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#options.clock.nowMs() + delayMs;
    const known = this.#timers.get(key);
    if (known !== undefined && known.dueMs <= dueMs) return;
    known?.cancel();
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { dueMs, cancel });
  }

  /** Adds `key` after a delay that doubles with every failure in a row, and is at least `atLeastMs`. */
  addAfterFailure(key: string, atLeastMs = 0): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#options.onRetry?.();
    const { firstDelayMs = 5, maxDelayMs = 300_000 } = this.#options;
    this.addAfter(key, Math.max(atLeastMs, Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(failures, 30))));
  }

  /** The key's work succeeded: its next failure starts from the first delay again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Next key to work on, or undefined when the queue is closed; pair with {@link KeyedQueue.done}. */
  take(): Promise<string | undefined> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(undefined);
      this.#takers.push(resolve);
      this.#hand();
    });
  }

  done(key: string): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#timers.values()) cancel();
    this.#timers.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #hand(): void {
    for (const key of this.#waiting) {
      const taker = this.#takers.shift();
      if (taker === undefined) return;
      this.#waiting.delete(key);
      this.#working.add(key);
      taker(key);
    }
  }
}
