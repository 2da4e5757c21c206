import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import type { TrainingState } from '../checkpoint/state.ts';
import type { SharedExchange } from '../communication/exchange.ts';
import type { Bucket } from '../communication/schedule/types.ts';
import type { DeviceMemory, EngineName, EngineSettings } from '../engine/engine.ts';
import type { Reuse } from '../memory/measured-reuse.ts';

/** Main thread → compute thread. Order: build, start, then nothing or stop. */
export type ToCompute =
  | { kind: 'build'; config: WorkerConfig; engine: EngineName; settings: EngineSettings }
  /** Train from `state` (its step is the first to run). All ranks start from the same bytes. */
  | { kind: 'start'; state: TrainingState; exchange: SharedExchange }
  /**
   * End when `afterStep` steps are done (after the current step if it is later), drained: answered by `finished` with
   * the state reached. All ranks are given the same step, so that none waits for gradients of a rank that has left.
   */
  | { kind: 'stop'; afterStep: number };

/** What the compute thread found out before the first step; equal on all ranks but for `choices` and the predicted peak. */
export interface Built {
  kind: 'built';
  /** Fused gradients, ordered by layer; the exchange plan is made of these. */
  buckets: readonly Bucket[];
  /** State at step 0, drawn from training.seed: variables and zeroed optimizer slots. */
  initial: TrainingState;
  /** Hash of graph and memory plan; all ranks must have the same. */
  planHash: string;
  predictedPeakBytes: number;
  /** Peak of the same model under TensorFlow.js's own tape, predicted by shape; see graph/stock.ts. */
  stockPeakBytes: number;
  engine: EngineName;
  layers: number;
  parameters: number;
  /** What was chosen by measuring on this rank's device, and why, in sentences. */
  choices: readonly string[];
}

export interface StepDone {
  kind: 'step';
  /** Steps done so far. */
  step: number;
  /** This rank's loss of the step. */
  loss: number | undefined;
  seconds: number;
  exposedSeconds: number;
  measuredPeakBytes: number;
  /** What the device's own allocator says at the end of the step; absent where there is none. */
  deviceMemory?: DeviceMemory;
  /** Planned reuse against the addresses of this step: of one step of a run, where the engine has addresses. */
  reuse?: Reuse;
  /** Something that does not stop training but that a person should know; each kind of it is said once. */
  warning?: string;
}

/** Why the compute thread gave up; `class` is a key of crds/exit-codes.ts. */
export interface ComputeFailure {
  kind: 'failed';
  class:
    | 'configuration'
    | 'program'
    | 'peerLost'
    | 'exchangeTimeout'
    | 'outOfMemory'
    | 'nonFinite'
    | 'engineMissing'
    | 'deviceFailed'
    | 'fenced';
  reason: string;
  message: string;
  step: number | undefined;
  blamedRank: number | undefined;
}

/** Compute thread → main thread. */
export type FromCompute =
  | Built
  | StepDone
  /** A copy of the state, all updates in; posted on rank 0 every checkpoint.everySteps. The last state comes with `finished`. */
  | { kind: 'snapshot'; state: TrainingState }
  | {
      kind: 'finished';
      state: TrainingState;
      loss: number | undefined;
      accuracy: number | undefined;
      stopped: boolean;
      measuredPeakBytes: number;
    }
  | ComputeFailure;
