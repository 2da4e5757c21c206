import { type Program, programOf } from './collective/program.ts';
import { scratchBytes } from './reduce/kernel.ts';
import type { ExchangePlan } from './schedule/types.ts';

/** Where one bucket lies in the shared memory, in bytes; every slot starts on 64 bytes. */
export interface BucketSlots {
  outgoing: number;
  result: number;
  /** First receive slot; that of source s in set k starts at receive + (k·(worldSize − 1) + index of s among the others)·receiveStride. */
  receive: number;
  receiveStride: number;
  /** Lanes that carry a chunk of the bucket. */
  lanes: readonly number[];
}

export interface Arena {
  bytes: number;
  /** Int32 words, see shared-state.ts. */
  stateOffset: number;
  slots: readonly BucketSlots[];
  /** For the summing kernel, by lane. */
  scratch: readonly number[];
}

/** Bytes of state words ahead of the buckets' own. */
export const stateHeaderBytes = 4096;
export const stateBytesPerBucket = 16;

/** Places everything that `rank` needs for `plan`. Throws when it does not fit into the 4 GiB that WebAssembly can address. */
export function layArena(plan: ExchangePlan, rank: number, lanes: number): Arena {
  let end = 0;
  const take = (bytes: number) => {
    const start = end;
    end += Math.ceil(bytes / 64) * 64;
    return start;
  };
  const stateOffset = take(stateHeaderBytes + plan.buckets.length * stateBytesPerBucket);
  const scratch = Array.from({ length: lanes }, () => take(scratchBytes(plan.worldSize)));
  const slots = plan.buckets.map((bucket): BucketSlots => {
    const { chunks, receiveElements, receiveSets } = planProgram(plan, bucket.id, rank);
    const receiveStride = Math.ceil((4 * receiveElements) / 64) * 64;
    return {
      outgoing: take(4 * bucket.elements),
      result: take(4 * bucket.elements),
      receive: take(receiveSets * (plan.worldSize - 1) * receiveStride),
      receiveStride,
      lanes: Array.from({ length: Math.min(lanes, chunks.length) }, (_, i) => laneOf(bucket.id, i, lanes)),
    };
  });
  if (end > 2 ** 32)
    throw new RangeError(
      `the exchange needs ${(end / 2 ** 30).toFixed(1)} GiB of shared memory, at most 4 GiB can be addressed; ` +
        'train with fewer parameters a process, or set communication.algorithm to SplitSum, which needs least',
    );
  return { bytes: end, stateOffset, slots, scratch };
}

/** The lane that carries a chunk, on every rank: neighbours take turns, and small buckets do not all start on the same. */
export function laneOf(bucket: number, chunk: number, lanes: number): number {
  return (bucket + chunk) % lanes;
}

/** What `rank` does for bucket `bucket` of `plan`. */
export function planProgram(plan: ExchangePlan, bucket: number, rank: number): Program {
  const { elements, collective } = plan.buckets[bucket]!;
  return programOf(collective, { elements, chunkElements: plan.chunkBytes / 4, worldSize: plan.worldSize, rank });
}
