import { type AlgorithmSetting, choose } from './choose.ts';
import type { Bucket, ExchangePlan, LinkConstants } from './types.ts';

export interface ExchangeInputs {
  buckets: readonly Bucket[];
  worldSize: number;
  /** Agreed by all ranks: mergeConstants of calibrate.ts. */
  constants: LinkConstants;
  order: ExchangePlan['order'];
  algorithm: AlgorithmSetting;
  /** A multiple of 64; from the constants when left out. */
  chunkBytes?: number;
}

const minChunkBytes = 64 << 10;
const maxChunkBytes = 1 << 20;
/** Chunks that may be under way to one peer: one on the wire, one being made. */
const chunksInFlight = 2;

/** Everything the ranks must agree on, from what they have agreed on: equal arguments give equal plans on every machine. */
export function planExchange(inputs: ExchangeInputs): ExchangePlan {
  const { buckets, worldSize, constants, order, algorithm } = inputs;
  const chunkBytes = inputs.chunkBytes ?? bestChunkBytes(buckets, constants);
  const pipeBytes = constants.alphaSeconds / constants.betaSecondsPerByte;
  return {
    worldSize,
    order,
    chunkBytes,
    creditBytes: Math.max(chunksInFlight, Math.min(16, Math.ceil(pipeBytes / chunkBytes))) * chunkBytes,
    buckets: buckets.map((bucket) => ({ ...bucket, ...choose(4 * bucket.elements, worldSize, constants, algorithm) })),
  };
}

/**
 * A chunk costs 2o to send and receive; a chunk under way delays an urgent one by its own time. Over a step of M bytes,
 * (M/δ)2o + kδβ is least at δ = √(2Mo / kβ).
 */
function bestChunkBytes(buckets: readonly Bucket[], constants: LinkConstants): number {
  const stepBytes = buckets.reduce((sum, bucket) => sum + 4 * bucket.elements, 0);
  const best = Math.sqrt((2 * stepBytes * constants.overheadSeconds) / (chunksInFlight * constants.betaSecondsPerByte));
  let chunkBytes = minChunkBytes;
  while (chunkBytes < maxChunkBytes && chunkBytes < best) chunkBytes *= 2;
  return chunkBytes;
}
