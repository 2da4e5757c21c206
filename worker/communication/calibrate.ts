import { createTreeSum, scratchBytes, sharedMemory } from './reduce/kernel.ts';
import type { LinkConstants } from './schedule/types.ts';

/** Asks the next rank for `count` messages of `bytes` each; resolves when all have come. */
export type Probe = (count: number, bytes: number) => Promise<void>;

const roundTrips = 20;
const smallMessages = 128;
const streams = 3;
const streamMessages = 8;
const streamMessageBytes = 256 << 10;
const sumBytes = 256 << 10;
const sums = 8;
/** Nothing is cheaper than this: keeps the formulas finite on a machine that measures 0. */
const leastSeconds = 1e-7;

/**
 * Measures this rank's link and summing rate. All ranks do it at the same time, so each link carries what it sends and what it
 * receives, as in an exchange. `probe` is undefined for a group of one.
 *
 * o: time a message of a train of empty ones. α: half a round trip less the handling of its two messages. β: a train of large ones.
 */
export async function calibrate(
  probe: Probe | undefined,
  worldSize: number,
  seconds: () => number,
): Promise<LinkConstants> {
  const gammaSecondsPerByte = summingRate(worldSize, seconds);
  if (probe === undefined)
    return { alphaSeconds: 0, betaSecondsPerByte: leastSeconds / 1e3, gammaSecondsPerByte, overheadSeconds: 0 };
  const timed = async (count: number, bytes: number) => {
    const start = seconds();
    await probe(count, bytes);
    return seconds() - start;
  };
  await timed(4, 4096);
  const trips: number[] = [];
  for (let i = 0; i < roundTrips; i++) trips.push(await timed(1, 0));
  const trip = median(trips);
  const train = await timed(smallMessages, 0);
  const overheadSeconds = Math.max(leastSeconds, (train - trip) / smallMessages / 2);
  const transfers: number[] = [];
  for (let i = 0; i < streams; i++) transfers.push(await timed(streamMessages, streamMessageBytes));
  const streamBytes = streamMessages * streamMessageBytes;
  return {
    alphaSeconds: Math.max(leastSeconds, trip / 2 - 2 * overheadSeconds),
    betaSecondsPerByte: Math.max(leastSeconds, median(transfers) - trip) / streamBytes,
    gammaSecondsPerByte,
    overheadSeconds,
  };
}

/**
 * The constants that a group works with, from every rank's measurement in rank order: the slowest link, since all wait for it, and the
 * middle of what varies by chance.
 */
export function mergeConstants(all: readonly LinkConstants[]): LinkConstants {
  return {
    alphaSeconds: median(all.map((c) => c.alphaSeconds)),
    betaSecondsPerByte: Math.max(...all.map((c) => c.betaSecondsPerByte)),
    gammaSecondsPerByte: median(all.map((c) => c.gammaSecondsPerByte)),
    overheadSeconds: median(all.map((c) => c.overheadSeconds)),
  };
}

/** Seconds to add one incoming byte. */
function summingRate(worldSize: number, seconds: () => number): number {
  const inputs = Math.min(4, Math.max(2, worldSize));
  const scratch = (inputs + 1) * sumBytes;
  const sum = createTreeSum(sharedMemory(scratch + scratchBytes(inputs)), scratch);
  const sources = Array.from({ length: inputs }, (_, i) => (i + 1) * sumBytes);
  const times: number[] = [];
  for (let i = 0; i < sums; i++) {
    const start = seconds();
    sum(0, sources, sumBytes);
    times.push(seconds() - start);
  }
  return Math.max(leastSeconds, median(times)) / ((inputs - 1) * sumBytes);
}

/** The middle value, the lower of two. */
function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[(values.length - 1) >> 1];
  if (middle === undefined) throw new RangeError('median of nothing');
  return middle;
}
