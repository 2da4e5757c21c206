import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import type { Logger } from 'pino';
import type { EngineName, EngineSettings } from './engine/engine.ts';
import type { Environment } from './environment.ts';

/** What every phase of a worker's life is given by main.ts. */
export interface Context {
  config: WorkerConfig;
  environment: Environment;
  engine: EngineName;
  settings: EngineSettings;
  log: Logger;
  /** Drawn once a process: tells it from another process of the same rank. */
  incarnation: string;
  /** Monotonic milliseconds. */
  clock: () => number;
  /** Wall clock, for people. */
  now: () => Date;
  /** Aborted when this worker is asked to end. */
  stopping: AbortSignal;
}

/** Times of a worker's membership, milliseconds. */
export const times = {
  heartbeatMs: 200,
  deadMs: 2000,
  helloMs: 3000,
  retryMs: 100,
  /** How long an older attempt may hold rank 0's address. */
  patienceMs: 60_000,
  /** How long a failing rank waits for the group's verdict on the first cause. */
  verdictMs: 700,
  /** How long rank 0 stays so that its last word reaches everyone. */
  flushMs: 500,
  /** Time for a common last step after SIGTERM; kubelets wait 30 s by default. */
  stopMs: 25_000,
};
