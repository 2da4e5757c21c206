import { crossoverBytes, exchangeSeconds } from './cost.ts';
import type { Collective, LinkConstants } from './types.ts';

/** `communication.algorithm` of a TrainingJob. */
export type AlgorithmSetting = 'Auto' | 'GatherSum' | 'SplitSum';

export interface Choice {
  collective: Collective;
  /** One sentence for a person. */
  reason: string;
}

/** Which collective sums a bucket of `bytes`, and why. */
export function choose(
  bytes: number,
  worldSize: number,
  constants: LinkConstants,
  algorithm: AlgorithmSetting,
): Choice {
  switch (algorithm) {
    case 'GatherSum':
      return { collective: 'gather-sum', reason: 'communication.algorithm is GatherSum' };
    case 'SplitSum':
      return { collective: 'split-sum', reason: 'communication.algorithm is SplitSum' };
    case 'Auto':
      return worldSize === 1
        ? { collective: 'gather-sum', reason: 'one rank has nothing to exchange' }
        : cheaper(bytes, worldSize, constants);
    default:
      return assertNever(algorithm);
  }
}

function cheaper(bytes: number, worldSize: number, constants: LinkConstants): Choice {
  const gather = exchangeSeconds('gather-sum', bytes, worldSize, constants);
  const split = exchangeSeconds('split-sum', bytes, worldSize, constants);
  const collective: Collective = gather <= split ? 'gather-sum' : 'split-sum';
  const reason =
    `${inBytes(bytes)} over ${worldSize} ranks: gathering takes ${inTime(gather)}, splitting ${inTime(split)}` +
    `; they meet at ${inBytes(crossoverBytes(worldSize, constants))}`;
  return { collective, reason };
}

function inBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  return Number.isFinite(bytes) ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : 'no size';
}

function inTime(seconds: number): string {
  return seconds < 0.001 ? `${(seconds * 1e6).toFixed(0)} µs` : `${(seconds * 1e3).toFixed(2)} ms`;
}

function assertNever(value: never): never {
  throw new Error(`unknown algorithm ${String(value)}`);
}
