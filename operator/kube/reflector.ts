import type { KubeClient } from './client.ts';
import { type Clock, sleep } from './clock.ts';
import { ApiError, isGone } from './errors.ts';
import type { KubeObject, Resource } from './object.ts';
import { nextState, type ReflectorInput, type ReflectorState } from './reflector-state.ts';
import { type Change, Store } from './store.ts';

export interface ReflectorOptions<T extends KubeObject> {
  client: Pick<KubeClient, 'list' | 'watch'>;
  resource: Resource;
  namespace: string | undefined;
  labelSelector?: string;
  indexOf?: (object: T) => string | undefined;
  clock: Clock;
  random: () => number;
  /** Hears of every list, watch and 410, for metrics. */
  onRound?: (kind: 'list' | 'watch' | 'gone') => void;
  /** Hears of everything that went wrong; the reflector goes on by itself. */
  onError: (error: unknown) => void;
  /** Silence after which a watch counts as dead; bookmarks come about once a minute. */
  idleMs?: number;
  pageSize?: number;
}

/**
 * Keeps a {@link Store} equal to the server's objects of one kind: pages of a list, then watches with bookmarks.
 * It never ends by itself: resets, 410, garbage, silence and refusals lead to another watch or list after a delay.
 */
export class Reflector<T extends KubeObject> {
  readonly store: Store<T>;
  readonly #options: ReflectorOptions<T>;
  readonly #stop = new AbortController();
  readonly #handlers: ((change: Change<T>) => void)[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #state: ReflectorState = { kind: 'Empty' };
  #running: Promise<void> | undefined;
  #hasSynced = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.store = new Store(options.indexOf);
  }

  get state(): ReflectorState {
    return this.#state;
  }

  /** True once the first list is in the store. */
  get synced(): boolean {
    return this.#hasSynced;
  }

  /** Calls `handler` for every change from now on; what it throws is reported and harms nobody else. */
  onChange(handler: (change: Change<T>) => void): void {
    this.#handlers.push(handler);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the first list is in the store, or when the reflector is closed before that. */
  waitForSync(): Promise<void> {
    return this.#synced.promise;
  }

  async close(): Promise<void> {
    this.#step({ kind: 'closed' });
    this.#stop.abort();
    await this.#running;
    this.#synced.resolve();
  }

  #step(input: ReflectorInput): void {
    this.#state = nextState(this.#state, input);
  }

  async #run(): Promise<void> {
    this.#step({ kind: 'started' });
    for (let state = this.#state; state.kind !== 'Closed'; state = this.#state) {
      switch (state.kind) {
        case 'Listing':
          await this.#guard(() => this.#list());
          break;
        case 'Watching':
          await this.#guard(() => this.#watch(state.resourceVersion));
          break;
        case 'Backoff':
          await sleep(this.#options.clock, state.delayMs * (0.75 + this.#options.random() / 2), this.#stop.signal);
          this.#step({ kind: 'waited' });
          break;
        case 'Empty':
          return;
        default:
          return unreachable(state);
      }
    }
  }

  async #guard(round: () => Promise<void>): Promise<void> {
    try {
      await round();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const gone = isGone(error);
      if (gone) this.#options.onRound?.('gone');
      else this.#report(error);
      const known = error instanceof ApiError ? error : undefined;
      const relist = gone || known === undefined || known.reason === 'BadWatchLine';
      this.#step({ kind: 'failed', relist, retryAfterMs: known?.retryAfterMs });
    }
  }

  async #list(): Promise<void> {
    const { client, resource, namespace, labelSelector, pageSize } = this.#options;
    this.#options.onRound?.('list');
    const objects: T[] = [];
    let continueToken: string | undefined;
    let resourceVersion: string;
    do {
      const page = await client.list<T>(resource, {
        namespace,
        labelSelector,
        limit: pageSize ?? 500,
        continueToken,
        signal: this.#stop.signal,
      });
      for (const object of page.items) objects.push(slim(object));
      ({ continueToken, resourceVersion } = page);
    } while (continueToken !== undefined);
    // Swapped in one go, after the last page: readers never see half a list.
    if (this.#stop.signal.aborted) return;
    this.#emit(this.store.replace(objects));
    this.#hasSynced = true;
    this.#synced.resolve();
    this.#step({ kind: 'listed', resourceVersion });
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { client, resource, namespace, labelSelector, clock, random, idleMs } = this.#options;
    this.#options.onRound?.('watch');
    const startedMs = clock.nowMs();
    const events = client.watch<T>(resource, {
      namespace,
      labelSelector,
      resourceVersion,
      timeoutSeconds: Math.round(300 * (1 + random())),
      idleMs: idleMs ?? 90_000,
      signal: this.#stop.signal,
    });
    for await (const event of events) {
      if (event.type === 'DELETED') this.#emit(this.store.remove(slim(event.object)));
      else if (event.type !== 'BOOKMARK') this.#emit(this.store.put(slim(event.object)));
      const version = event.object.metadata.resourceVersion;
      if (version !== undefined) this.#step({ kind: 'advanced', resourceVersion: version });
    }
    this.#step({ kind: 'ended', watchedMs: clock.nowMs() - startedMs });
  }

  #report(error: unknown): void {
    try {
      this.#options.onError(error);
    } catch {
      // Whoever listens is broken; the cache must go on all the same.
    }
  }

  #emit(changes: Change<T>[]): void {
    for (const change of changes) {
      for (const handler of this.#handlers) {
        try {
          handler(change);
        } catch (error) {
          this.#report(error);
        }
      }
    }
  }
}

/** Field ownership records are half of an object's bytes and no controller reads them. */
function slim<T extends KubeObject>(object: T): T {
  const metadata: Record<string, unknown> = { ...object.metadata };
  delete metadata['managedFields'];
  return { ...object, metadata };
}

function unreachable(state: never): never {
  throw new Error(`unknown reflector state ${JSON.stringify(state)}`);
}
