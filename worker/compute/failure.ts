import { fileURLToPath } from 'node:url';
import { ExchangeError, type ExchangeErrorCode } from '../communication/exchange.ts';
import { EngineError, type EngineErrorCode, type EngineSettings } from '../engine/engine.ts';
import { isAddonError } from '../engine/native/addon.ts';
import { GraphError } from '../graph/graph-error.ts';
import { ConfigurationError, ProgramError } from '../program/program-error.ts';
import type { ComputeFailure } from './messages.ts';
import { NonFiniteError } from './non-finite.ts';

type Class = ComputeFailure['class'];

const exchangeClasses: Readonly<Record<ExchangeErrorCode, Class>> = {
  peerLost: 'peerLost',
  exchangeTimeout: 'exchangeTimeout',
  fenced: 'fenced',
  corruptFrame: 'peerLost',
  portInUse: 'configuration',
};

const engineClasses: Readonly<Record<EngineErrorCode, Class>> = {
  kernelMissing: 'program',
  kernelFailed: 'program',
  outOfMemory: 'outOfMemory',
  engineMissing: 'engineMissing',
};

/** What the operator and a person are told about whatever was thrown on the compute thread; `step` counts steps done. */
export function failureOf(error: unknown, step: number | undefined): ComputeFailure {
  const failure = (cause: Class, code: string, message: string, blamedRank?: number): ComputeFailure => ({
    kind: 'failed',
    class: cause,
    reason: `${code.charAt(0).toUpperCase()}${code.slice(1)}`,
    message,
    step,
    blamedRank,
  });
  if (error instanceof ConfigurationError) return failure('configuration', error.code, error.message);
  if (error instanceof ProgramError || error instanceof GraphError) {
    return failure('program', error.code, withPlace(error.message, error.cause));
  }
  if (error instanceof NonFiniteError) return { ...failure('nonFinite', error.code, error.message), step: error.step };
  if (error instanceof ExchangeError) {
    return failure(exchangeClasses[error.code], error.code, error.message, error.blamedRank);
  }
  if (error instanceof EngineError) return failure(engineClass(error), error.code, error.message);
  if (error instanceof RangeError && /allocation failed|out of memory|invalid array/i.test(error.message)) {
    return failure('outOfMemory', 'heapOutOfMemory', `${error.message}; use a smaller batch or more workers`);
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return failure('program', 'unexpected', message);
}

/**
 * A kernel that refuses what it is given is the program's, and refuses again. INTERNAL is no verdict on the arguments: it is
 * what the addon says for errors of CUDA itself, as after a GPU has fallen off the bus.
 */
function engineClass({ code, retryable, cause }: EngineError): Class {
  if (code !== 'kernelFailed') return engineClasses[code];
  return retryable || (isAddonError(cause) && cause.code === 'INTERNAL') ? 'deviceFailed' : engineClasses[code];
}

/** Why an engine could not be opened; on a GPU with the command that finds out more. */
export function withDoctor(error: unknown, device: EngineSettings['device']): unknown {
  if (device !== 'gpu' || !(error instanceof EngineError) || error.code !== 'engineMissing') return error;
  if (error.message.includes('doctor')) return error;
  const { message, retryable } = error;
  const advice = 'npm run native -- doctor says what was found of GPU, driver and libraries';
  return new EngineError('engineMissing', `${message}; ${advice}`, { retryable, cause: error });
}

function withPlace(message: string, cause: unknown): string {
  const place = cause instanceof Error ? placeOf(cause) : undefined;
  return place === undefined ? message : `${message} (at ${place})`;
}

const own = fileURLToPath(new URL('..', import.meta.url));
const builtin = fileURLToPath(new URL('../program/builtin/', import.meta.url));

/** `file:line:column` of the first line of the stack that belongs to the program. */
function placeOf({ stack = '' }: Error): string | undefined {
  for (const line of stack.split('\n').slice(1)) {
    const place = /\(?((?:file:\/\/)?\/[^()]+:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    if (place === undefined) continue;
    const file = place.startsWith('file:') ? decodeURI(place.slice('file://'.length)) : place;
    if (file.includes('/node_modules/') || (file.startsWith(own) && !file.startsWith(builtin))) continue;
    return file;
  }
  return undefined;
}
