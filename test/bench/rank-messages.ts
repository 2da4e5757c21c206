import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import type { LaneStats } from '../../worker/communication/lane.ts';
import type { LanesOptions } from '../../worker/communication/lanes.ts';
import type { Bucket, ExchangePlan, LinkConstants } from '../../worker/communication/schedule/types.ts';
import type { EngineName, EngineSettings } from '../../worker/engine/engine.ts';

export type RankOptions = LanesOptions;

/** What any rank is told; see rank-main.ts. */
export type LinkOrder =
  | { kind: 'connect'; peers: { host: string; lanePorts: number[] }[] }
  | { kind: 'calibrate' }
  | { kind: 'close' };

/** What a rank of one benchmark is told. */
export type RankOrder =
  | { kind: 'steps'; plan: ExchangePlan; steps: number }
  | { kind: 'time'; plan: ExchangePlan; repeats: number }
  | { kind: 'stats' }
  /** Training: `isBatchResident` takes the same batch in every step, which stays on the device. */
  | { kind: 'build'; config: WorkerConfig; engine: EngineName; settings: EngineSettings; isBatchResident: boolean }
  | { kind: 'train'; plan: ExchangePlan };

/** Parent → rank. */
export type ToRank = LinkOrder | RankOrder;

/** What a rank took and held in its steps; seconds of every step. */
export interface TrainedRank {
  seconds: number[];
  exposedSeconds: number[];
  /** Monotonic milliseconds of this process at which every step was over. */
  endedMs: number[];
  loss: number | undefined;
  weightsDigest: string;
  measuredPeakBytes: number;
  /** Of the whole training, choosing algorithms included; null where there is no allocator to ask. */
  allocatorPeakBytes: number | null;
  processPeakBytes: number;
}

/** Rank → parent. Every order is answered by one message, or by `failed`. */
export type FromRank =
  | { kind: 'listening'; ports: number[] }
  | { kind: 'connected' }
  | { kind: 'constants'; constants: LinkConstants }
  /** sha256 over all sums of all steps. */
  | { kind: 'summed'; digest: string }
  | { kind: 'timed'; digest: string; seconds: number[]; cpuSeconds: number }
  | { kind: 'stats'; stats: LaneStats }
  | { kind: 'built'; buckets: readonly Bucket[]; planHash: string; predictedPeakBytes: number }
  | { kind: 'trained'; result: TrainedRank }
  | { kind: 'closed' }
  | { kind: 'failed'; code: string; message: string; blamedRank?: number | undefined };
