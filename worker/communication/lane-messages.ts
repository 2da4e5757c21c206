import type { MessagePort } from 'node:worker_threads';
import type { Arena } from './arena.ts';
import type { ExchangeErrorCode } from './exchange.ts';
import type { LaneStats } from './lane.ts';
import type { KernelMemory } from './reduce/kernel.ts';
import type { ExchangePlan, LinkConstants } from './schedule/types.ts';
import type { FailureRecord } from './shared-state.ts';
import type { PeerAddress } from './transport/transport.ts';

/** What a lane thread is started with. */
export interface LaneThreadData {
  lane: number;
  rank: number;
  worldSize: number;
  host: string;
  port: number;
  fence: bigint;
  timeoutMs: number;
}

/** Main thread → lane thread; every request is answered by one `reply` with the same id. */
export type LaneRequest = { id: number } & LaneOrder;
export type LaneOrder =
  | { kind: 'connect'; peers: readonly PeerAddress[]; timeoutMs: number }
  | { kind: 'calibrate' }
  | { kind: 'open'; plan: ExchangePlan; arena: Arena; memory: KernelMemory; doorbell: MessagePort }
  | { kind: 'stats' }
  | { kind: 'abort'; failure: FailureRecord }
  | { kind: 'close' };

/** What a request is answered with, by its kind. */
export interface LaneAnswers {
  connect: undefined;
  calibrate: LinkConstants;
  open: undefined;
  stats: LaneStats;
  abort: undefined;
  close: undefined;
}

/** Lane thread → main thread. */
export type FromLane =
  | { kind: 'listening'; port: number }
  | { kind: 'cannotListen'; failure: FailureRecord }
  | { kind: 'reply'; id: number; answer: LaneAnswers[keyof LaneAnswers] }
  | {
      kind: 'refusal';
      id: number;
      failure: { code: ExchangeErrorCode; message: string; blamedRank?: number | undefined };
    }
  /** The first failure of this lane. */
  | { kind: 'failed'; failure: FailureRecord };
