import { median } from './document.ts';
import type { TrainedRank } from './rank-messages.ts';
import type { WorldAsked, WorldMeasured } from './train-world.ts';

/** What a benchmark says about the ranks: of every step the slowest rank, of every peak the highest. */
export function summaryOfWorld(
  { ranks, plan, predictedPeakBytes }: WorldMeasured,
  asked: Pick<WorldAsked, 'steps' | 'warmUpSteps' | 'world' | 'batchSize'>,
) {
  const { steps, warmUpSteps, world, batchSize } = asked;
  const counted = (all: readonly number[]) => all.slice(warmUpSteps, warmUpSteps + steps);
  const windowOf = ({ endedMs }: TrainedRank) =>
    ((endedMs[warmUpSteps + steps - 1] ?? NaN) - (endedMs[warmUpSteps - 1] ?? NaN)) / 1000 / steps;
  const slowest = Array.from({ length: steps }, (_, i) =>
    Math.max(...ranks.map(({ seconds }) => seconds[warmUpSteps + i] as number)),
  );
  const stepSeconds = median(slowest);
  const details = ranks.map((trained, rank) => {
    const { seconds, exposedSeconds, endedMs: _, ...rest } = trained;
    return {
      rank,
      stepSeconds: median(counted(seconds)),
      exposedSeconds: median(counted(exposedSeconds)),
      ...rest,
    };
  });
  return {
    stepSeconds,
    windowSeconds: Math.max(...ranks.map(windowOf)),
    samplesPerSecond: (world * batchSize) / stepSeconds,
    exposedCommunicationSeconds: Math.max(...details.map((rank) => rank.exposedSeconds)),
    exchangedBytes: 4 * plan.buckets.reduce((sum, { elements }) => sum + elements, 0),
    predictedPeakBytes,
    measuredPeakBytes: Math.max(...ranks.map((rank) => rank.measuredPeakBytes)),
    /** All ranks ended with the same weights, bit for bit. */
    identical: new Set(ranks.map(({ weightsDigest }) => weightsDigest)).size === 1,
    ranks: details,
  };
}
