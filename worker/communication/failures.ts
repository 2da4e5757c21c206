import { ExchangeError } from './exchange.ts';
import type { FrameDefect } from './transport/frame.ts';

/** A bucket that this rank has handed in and whose sum has not come, and the ranks it waits for. */
export interface Waiting {
  bucket: number;
  /** Counted from 0 since the plan was opened. */
  step: number;
  ranks: number[];
  seconds: number;
}

export function timedOut({ bucket, step, ranks }: Waiting, layer: number, timeoutMs: number): ExchangeError {
  const sentence =
    `${named(ranks)} sent nothing for bucket ${bucket} (layer ${layer}) in step ${step} since the start ` +
    `within ${timeoutMs / 1000} s; look at its log, or raise communication.timeoutSeconds if its steps take that long`;
  return new ExchangeError('exchangeTimeout', sentence, { blamedRank: ranks[0] });
}

export function unusable(from: number, what: string): ExchangeError {
  return new ExchangeError('corruptFrame', `a message of rank ${from} cannot be used: ${what}`, { blamedRank: from });
}

export function gone(rank: number, reason: string): ExchangeError {
  return new ExchangeError('peerLost', `rank ${rank} is gone: ${reason}`, { blamedRank: rank });
}

export function unreachable(ranks: readonly number[], timeoutMs: number, why: string): ExchangeError {
  const sentence = `${named(ranks)} could not be reached within ${Math.round(timeoutMs / 100) / 10} s: ${why}`;
  return new ExchangeError('peerLost', sentence, { blamedRank: ranks[0] });
}

/** What is wrong with bytes that are no frame. */
export function defectSentence(defect: Exclude<FrameDefect, 'otherAttempt'>): string {
  switch (defect) {
    case 'truncated':
      return 'it is truncated';
    case 'overlong':
      return 'it is longer than it says';
    case 'noFrame':
      return 'it is no frame of the gradient exchange';
    case 'otherVersion':
      return 'it has another version of the protocol; run one version of Hayate on all workers';
    case 'flipped':
      return 'its checksum does not match, so bytes were changed on the way';
    default:
      return assertNever(defect);
  }
}

function named(ranks: readonly number[]): string {
  return ranks.length === 1 ? `rank ${ranks[0]}` : `ranks ${ranks.join(', ')}`;
}

function assertNever(value: never): never {
  throw new Error(`unknown defect ${String(value)}`);
}
