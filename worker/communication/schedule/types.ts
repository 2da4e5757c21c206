/** How one bucket is summed over the ranks. */
export type Collective = 'gather-sum' | 'split-sum';

/** A tensor inside a bucket, or a part of one that is larger than a bucket may be; in float32 elements. */
export interface BucketPart {
  variable: number;
  /** Element of the variable at which the part begins. */
  first: number;
  offset: number;
  length: number;
}

/**
 * Fused gradients of neighbouring layers, or a part of one gradient. `layer` is the lowest of them: the bucket is awaited before that layer's
 * forward, and `priority` = −layer (larger is sent sooner).
 */
export interface Bucket {
  id: number;
  layer: number;
  priority: number;
  elements: number;
  parts: readonly BucketPart[];
}

/** Constants of the cost formulas (Hockney/LogGP); fitted by calibration, agreed through rank 0, equal on all ranks. */
export interface LinkConstants {
  /** Latency of one message, seconds. */
  alphaSeconds: number;
  /** Seconds per byte of one rank's link, each direction. */
  betaSecondsPerByte: number;
  /** Seconds to add one incoming byte. */
  gammaSecondsPerByte: number;
  /** CPU seconds to send or receive one message. */
  overheadSeconds: number;
}

export interface ScheduledBucket extends Bucket {
  collective: Collective;
  /** One sentence: why this collective. */
  reason: string;
}

/** What all ranks must agree on before the first step; a pure function of (variables, worldSize, constants, settings). */
export interface ExchangePlan {
  worldSize: number;
  order: 'Priority' | 'Fifo';
  chunkBytes: number;
  creditBytes: number;
  buckets: readonly ScheduledBucket[];
}
