import type { ExchangeErrorCode } from '../../worker/communication/exchange.ts';
import type { LaneStats } from '../../worker/communication/lane.ts';
import type { LanesOptions } from '../../worker/communication/lanes.ts';
import type { ExchangePlan, LinkConstants } from '../../worker/communication/schedule/types.ts';

export type RankOptions = LanesOptions;

/** Parent → rank. */
export type ToRank =
  | { kind: 'connect'; peers: { host: string; lanePorts: number[] }[] }
  | { kind: 'calibrate' }
  | { kind: 'steps'; plan: ExchangePlan; steps: number }
  | { kind: 'time'; plan: ExchangePlan; repeats: number }
  | { kind: 'stats' }
  | { kind: 'close' };

/** Rank → parent. Every order is answered by one message, or by `failed`. */
export type FromRank =
  | { kind: 'listening'; ports: number[] }
  | { kind: 'connected' }
  | { kind: 'constants'; constants: LinkConstants }
  /** sha256 over all sums of all steps. */
  | { kind: 'summed'; digest: string }
  | { kind: 'timed'; digest: string; seconds: number[]; cpuSeconds: number }
  | { kind: 'stats'; stats: LaneStats }
  | { kind: 'closed' }
  | { kind: 'failed'; code: ExchangeErrorCode; message: string; blamedRank?: number | undefined };
