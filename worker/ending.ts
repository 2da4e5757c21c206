import { exitCodes, type FailureClass } from '@hayate/crds/exit-codes.ts';
import type { TerminationMessage } from '@hayate/crds/worker-config.ts';
import { StorageError } from './checkpoint/directory.ts';
import { ExchangeError, type ExchangeErrorCode } from './communication/exchange.ts';
import type { ComputeFailure } from './compute/messages.ts';
import { MembershipError } from './membership/member.ts';
import { PortInUseError } from './ports.ts';

/** How a worker ends: its exit code's class, a word for machines and a sentence for people. */
export interface Ending {
  class: FailureClass;
  reason: string;
  message: string;
  step?: number | undefined;
  blamedRank?: number | undefined;
}

/** An end that was decided here, with its class. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  readonly code: string;
  readonly retryable = false;
  readonly ending: Ending;
  constructor(ending: Ending, options: { cause?: unknown } = {}) {
    super(ending.message, options);
    this.code = ending.reason;
    this.ending = ending;
  }
}

/** This rank was asked to end (SIGTERM). */
export function terminated(rank: number, when: string): WorkerError {
  const message = `rank ${rank} was asked to end and ended ${when}`;
  return new WorkerError({ class: 'terminated', reason: 'Terminated', message, blamedRank: rank });
}

/** The compute thread gave up. */
export function computeError(failure: ComputeFailure): WorkerError {
  const { class: cause, reason, message, step, blamedRank } = failure;
  return new WorkerError({ class: cause, reason, message, step, blamedRank });
}

const exchangeClasses: Readonly<Record<ExchangeErrorCode, FailureClass>> = {
  peerLost: 'peerLost',
  exchangeTimeout: 'exchangeTimeout',
  fenced: 'fenced',
  corruptFrame: 'peerLost',
  portInUse: 'configuration',
};

/** Classifies whatever was thrown. What nobody foresaw is `unknown`, with its stack. */
export function endingOf(error: unknown): Ending {
  if (error instanceof WorkerError) return error.ending;
  if (error instanceof MembershipError) return named(error.code, error.code, error);
  if (error instanceof ExchangeError) return named(exchangeClasses[error.code], error.code, error);
  if (error instanceof PortInUseError) return named('configuration', 'portInUse', error);
  if (error instanceof StorageError) return named('storage', error.code === 'full' ? 'diskFull' : 'storage', error);
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { class: 'unknown', reason: 'Unexpected', message };
}

/** True when this rank only suffers what began elsewhere, so that the group's verdict says more than it knows. */
export function isSuffered(ending: Ending): boolean {
  return ending.class === 'peerLost' || ending.class === 'exchangeTimeout';
}

export function exitCode(ending: Ending): number {
  return ending.class in exitCodes ? exitCodes[ending.class as keyof typeof exitCodes] : 1;
}

const maxTerminationBytes = 4096;

/** The termination message, at most 4 KiB: the end of an overlong sentence goes. */
export function terminationText(ending: Ending, rank: number): string {
  const { class: cause, reason, step, blamedRank } = ending;
  const text = (message: string) =>
    JSON.stringify({
      class: cause,
      reason,
      rank,
      ...(step === undefined ? {} : { step }),
      message,
      ...(blamedRank === undefined ? {} : { blamedRank }),
    } satisfies TerminationMessage);
  let message = ending.message;
  while (Buffer.byteLength(text(message)) > maxTerminationBytes) {
    message = `${message.slice(0, Math.floor(message.length * 0.8))}…`;
  }
  return text(message);
}

function named(cause: FailureClass, code: string, error: { message: string; blamedRank?: number | undefined }): Ending {
  const reason = `${code.charAt(0).toUpperCase()}${code.slice(1)}`;
  return { class: cause, reason, message: error.message, blamedRank: error.blamedRank };
}
