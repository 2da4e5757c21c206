import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { layArena } from './arena.ts';
import { ExchangeError, type SharedExchange } from './exchange.ts';
import { type Fence, fenceHash } from './fence.ts';
import type { LaneStats } from './lane.ts';
import type { FromLane, LaneAnswers, LaneOrder, LaneThreadData } from './lane-messages.ts';
import { sharedMemory } from './reduce/kernel.ts';
import type { ExchangePlan, LinkConstants } from './schedule/types.ts';
import { fromRecord, SharedState, toRecord } from './shared-state.ts';
import { maxPayloadBytes } from './transport/frame.ts';

export interface LanesOptions {
  /** Address to listen on. */
  host: string;
  /** Lane i listens on port + 1 + i; 0: any free ports. */
  port: number;
  lanes: number;
  rank: number;
  worldSize: number;
  fence: Fence;
  /** A sum that does not come within this time ends the exchange. */
  timeoutMs: number;
  connectTimeoutMs: number;
}

/** Main-thread side of the lane threads of one rank. */
export interface Lanes {
  /** Where the lanes listen. */
  readonly ports: readonly number[];
  /**
   * Connects to all peers, by rank, over as many lanes as the rank with the fewest has. Rejects with `peerLost` that names the missing rank after connectTimeoutMs.
   */
  connect(peers: readonly { host: string; lanePorts: readonly number[] }[]): Promise<void>;
  /** This rank's measurement; all ranks call it together, after `connect` and before `open`. */
  calibrate(): Promise<LinkConstants>;
  /** Takes up a plan; all ranks open the same plans in the same order, each when it has drained the one before. */
  open(plan: ExchangePlan): Promise<SharedExchange>;
  /** Sums over the lanes of this rank. */
  stats(): Promise<LaneStats>;
  /** Called once, with the first failure: of any lane, or of {@link abort}. */
  onFailure(listener: (error: ExchangeError) => void): void;
  /** Ends the exchange; a compute thread blocked in `await` throws `error`. */
  abort(error: ExchangeError): void;
  /** Tells the peers, and ends the threads. */
  close(): Promise<void>;
}

/** Lanes of a rank on a machine of so many cores: they sum on the CPU beside the engine, and one for every four cores keeps half of them for computing. */
export function usualLanes(cores: number): number {
  return Math.max(1, Math.min(4, Math.floor(cores / 4)));
}

/** Starts the lane threads. Rejects with `portInUse`. */
export async function startLanes(options: LanesOptions): Promise<Lanes> {
  const fence = fenceHash(options.fence);
  const threads = Array.from({ length: options.lanes }, (_, lane) => {
    const { host, rank, worldSize, timeoutMs } = options;
    const port = options.port === 0 ? 0 : options.port + 1 + lane;
    return new LaneThread({ lane, rank, worldSize, host, port, fence, timeoutMs });
  });
  try {
    const ports = await Promise.all(threads.map((thread) => thread.listening));
    return new LaneGroup(options, threads, ports);
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.end()));
    throw error;
  }
}

class LaneGroup implements Lanes {
  readonly ports: readonly number[];
  readonly #options: LanesOptions;
  readonly #threads: readonly LaneThread[];
  /** As many as the rank with the fewest has. */
  #used: readonly LaneThread[];
  readonly #listeners: ((error: ExchangeError) => void)[] = [];
  #state: SharedState | undefined;
  #failure: ExchangeError | undefined;
  #closing = false;

  constructor(options: LanesOptions, threads: readonly LaneThread[], ports: readonly number[]) {
    this.#options = options;
    this.#threads = threads;
    this.#used = threads;
    this.ports = ports;
    for (const thread of threads) thread.onFailure = (error) => this.abort(error);
  }

  async connect(peers: readonly { host: string; lanePorts: readonly number[] }[]): Promise<void> {
    this.#used = this.#threads.slice(0, Math.min(...peers.map((peer) => peer.lanePorts.length)));
    await Promise.all(
      this.#used.map((thread, lane) =>
        thread.ask({
          kind: 'connect',
          peers: peers.map(({ host, lanePorts }) => ({ host, port: lanePorts[lane]! })),
          timeoutMs: this.#options.connectTimeoutMs,
        }),
      ),
    );
  }

  calibrate(): Promise<LinkConstants> {
    return this.#threads[0]!.ask({ kind: 'calibrate' });
  }

  async open(plan: ExchangePlan): Promise<SharedExchange> {
    if (this.#failure !== undefined) throw this.#failure;
    if (plan.chunkBytes % 64 !== 0 || plan.chunkBytes > maxPayloadBytes || plan.creditBytes < 2 * plan.chunkBytes)
      throw new RangeError('a chunk is a multiple of 64 bytes, at most 1 MiB and at most half of the credit');
    const { rank, timeoutMs } = this.#options;
    const arena = layArena(plan, rank, this.#used.length);
    const memory = sharedMemory(arena.bytes);
    const state = new SharedState(memory.buffer, arena.stateOffset, plan.buckets.length);
    for (const { id } of plan.buckets) state.prepare(id, arena.slots[id]!.lanes.length);
    this.#state = state;
    const ports: MessagePort[] = [];
    await Promise.all(
      this.#used.map((thread) => {
        const { port1, port2 } = new MessageChannel();
        ports.push(port1);
        return thread.ask({ kind: 'open', plan, arena, memory, doorbell: port2 }, [port2]);
      }),
    );
    const { stateOffset, slots } = arena;
    return { plan, rank, memory: memory.buffer, layout: { stateOffset, slots }, ports, timeoutMs };
  }

  async stats(): Promise<LaneStats> {
    const all = await Promise.all(this.#threads.map((thread) => thread.ask({ kind: 'stats' })));
    return all.reduce((a, b) => ({
      bytesByCollective: added(a.bytesByCollective, b.bytesByCollective),
      bucketsByCollective: added(a.bucketsByCollective, b.bucketsByCollective),
      fencedFrames: a.fencedFrames + b.fencedFrames,
      waitingFor: [...a.waitingFor, ...b.waitingFor],
    }));
  }

  onFailure(listener: (error: ExchangeError) => void): void {
    this.#listeners.push(listener);
    if (this.#failure !== undefined) listener(this.#failure);
  }

  abort(error: ExchangeError): void {
    if (this.#failure !== undefined || this.#closing) return;
    this.#failure = error;
    this.#state?.fail(toRecord(error));
    for (const thread of this.#threads) thread.abort(error);
    for (const listener of this.#listeners) listener(error);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }
}

/** One worker thread and the questions it has not answered. */
class LaneThread {
  /** The port it listens on. */
  readonly listening: Promise<number>;
  onFailure: (error: ExchangeError) => void = () => {};
  readonly #worker: Worker;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  #ended = false;

  constructor(data: LaneThreadData) {
    this.#worker = new Worker(new URL('./lane-thread.ts', import.meta.url), {
      workerData: data,
      name: `lane ${data.lane}`,
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.listening = promise;
    this.#worker.on('message', (message: FromLane) => {
      switch (message.kind) {
        case 'listening':
          return resolve(message.port);
        case 'cannotListen':
          return reject(fromRecord(message.failure));
        case 'reply':
          return this.#settle(message.id)?.resolve(message.answer);
        case 'refusal':
          return this.#settle(message.id)?.reject(fromRecord(message.failure));
        case 'failed':
          return this.onFailure(fromRecord(message.failure));
        default:
          return assertNever(message);
      }
    });
    this.#worker.on('error', (cause) => {
      const error = new ExchangeError('peerLost', `lane ${data.lane} of this rank broke: ${String(cause)}`, {
        blamedRank: data.rank,
        cause,
      });
      reject(error);
      for (const question of this.#open.values()) question.reject(error);
      this.#open.clear();
      this.onFailure(error);
    });
  }

  ask<O extends LaneOrder>(order: O, transfer: MessagePort[] = []): Promise<LaneAnswers[O['kind']]> {
    const id = this.#asked++;
    const question = Promise.withResolvers<unknown>();
    this.#open.set(id, question);
    this.#worker.postMessage({ id, ...order }, transfer);
    return question.promise as Promise<LaneAnswers[O['kind']]>;
  }

  abort(error: ExchangeError): void {
    this.ask({ kind: 'abort', failure: toRecord(error) }).catch(() => {});
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const listens = await this.listening.then(
      () => true,
      () => false,
    );
    if (listens) await this.ask({ kind: 'close' }).catch(() => {});
    await this.#worker.terminate();
  }

  #settle(id: number): PromiseWithResolvers<unknown> | undefined {
    const question = this.#open.get(id);
    this.#open.delete(id);
    return question;
  }
}

function added<K extends string>(a: Record<K, number>, b: Record<K, number>): Record<K, number> {
  const keys = Object.keys(a) as K[];
  return Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as Record<K, number>;
}

function assertNever(value: never): never {
  throw new Error(`unknown message ${String(value)}`);
}
