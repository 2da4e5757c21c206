import type { Clock } from './clock.ts';
import { ApiError } from './errors.ts';
import { KeyedQueue } from './queue.ts';

/** What a reconciler wants next; undefined = wait for a change. */
export interface Outcome {
  requeueAfterMs?: number | undefined;
}

export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

/** What a runner tells metrics; names follow controller-runtime's. */
export interface RunnerObserver {
  reconciled(result: 'success' | 'requeue_after' | 'error', seconds: number): void;
  added(): void;
  retried(): void;
  active(change: 1 | -1): void;
  failed(key: string, error: unknown): void;
}

export interface RunnerOptions {
  reconcile: Reconcile;
  clock: Clock;
  observer: RunnerObserver;
  /** Keys worked on at the same time. */
  concurrency: number;
}

/** A controller: takes keys from its queue and reconciles them until closed. Whatever fails comes again, later. */
export class Runner {
  readonly queue: KeyedQueue;
  readonly #options: RunnerOptions;
  readonly #stop = new AbortController();
  #workers: Promise<void>[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { clock, observer } = options;
    this.queue = new KeyedQueue({ clock, onAdd: () => observer.added(), onRetry: () => observer.retried() });
  }

  start(): void {
    this.#workers = Array.from({ length: this.#options.concurrency }, () => this.#work());
  }

  /** Waits for the passes that are under way and starts no other. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.queue.close();
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    for (let key = await this.queue.take(); key !== undefined; key = await this.queue.take()) {
      this.#options.observer.active(1);
      await this.#pass(key);
      this.#options.observer.active(-1);
      this.queue.done(key);
    }
  }

  async #pass(key: string): Promise<void> {
    const { reconcile, clock, observer } = this.#options;
    const startedMs = clock.nowMs();
    const seconds = () => (clock.nowMs() - startedMs) / 1000;
    try {
      const { requeueAfterMs } = await reconcile(key, this.#stop.signal);
      this.queue.forget(key);
      if (requeueAfterMs !== undefined) this.queue.addAfter(key, requeueAfterMs);
      observer.reconciled(requeueAfterMs === undefined ? 'success' : 'requeue_after', seconds());
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      observer.reconciled('error', seconds());
      observer.failed(key, error);
      this.queue.addAfterFailure(key, error instanceof ApiError ? error.retryAfterMs : undefined);
    }
  }
}
