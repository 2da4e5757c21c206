import type { MessagePort } from 'node:worker_threads';
import type { ExchangePlan } from './schedule/types.ts';

/**
 * Memory shared between the compute thread and the lane threads, and where everything lies in it. Post it to the compute thread with its
 * `ports` in the transfer list.
 */
export interface SharedExchange {
  plan: ExchangePlan;
  rank: number;
  memory: SharedArrayBuffer;
  layout: { stateOffset: number; slots: readonly { outgoing: number; result: number; lanes: readonly number[] }[] };
  /** Doorbell to each lane thread. */
  ports: readonly MessagePort[];
  timeoutMs: number;
}

/**
 * The compute thread's side of the exchange. A bucket goes round: fill `outgoing(b)` → `submit(b)` → … → `await(b)`
 * → read `sum(b)` → next step. No call but `await` blocks.
 */
export interface Exchange {
  /** This rank's contribution to bucket `bucket`: a float32 view of `elements`. */
  outgoing(bucket: number): Float32Array;
  /** Hands the bucket to the lanes. */
  submit(bucket: number): void;
  /**
   * Blocks until the bucket's sum has arrived; returns the seconds spent blocked. With `patienceMs` for no longer than
   * that, whether or not it has; it is to be awaited again then. Throws {@link ExchangeError}.
   */
  await(bucket: number, patienceMs?: number): number;
  /** Whether the sum of what was submitted since the last `await` without patience is there; false while nothing was. Never throws. */
  arrived(bucket: number): boolean;
  /** What the slots lie in: few regions, none of which touches another. */
  readonly memory?: readonly Float32Array[];
  /** The sum over all ranks, valid from `await`, or from when it has `arrived`, until the next `submit` of the same bucket. */
  sum(bucket: number): Float32Array;
}

export type ExchangeErrorCode = 'peerLost' | 'exchangeTimeout' | 'fenced' | 'corruptFrame' | 'portInUse';

/** The exchange cannot go on; `blamedRank` is the rank that is missing or sent what cannot be. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly code: ExchangeErrorCode;
  readonly retryable: boolean;
  readonly blamedRank: number | undefined;
  constructor(
    code: ExchangeErrorCode,
    message: string,
    options: { blamedRank?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = code !== 'portInUse';
    this.blamedRank = options.blamedRank;
  }
}
