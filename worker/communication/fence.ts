import { createHash } from 'node:crypto';

/** Names the one attempt that a message may belong to. */
export interface Fence {
  jobUid: string;
  attempt: number;
  incarnation: string;
}

/** The fence in 64 bits, as frames carry it. */
export function fenceHash({ jobUid, attempt, incarnation }: Fence): bigint {
  const text = JSON.stringify([jobUid, attempt, incarnation]);
  return createHash('sha256').update(text).digest().readBigUInt64LE(0);
}
