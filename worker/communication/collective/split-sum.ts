import { othersFrom, pieces } from './pieces.ts';
import type { Program, Shape } from './program.ts';

const alignment = 16;

/**
 * The bucket is cut into one part a rank; part r of everyone goes to rank r, which adds and sends the sum back: two rounds, 2(P−1)/P·n
 * bytes each way.
 *
 * One set of receive slots is enough: a rank that has finished has the sum of this rank's part, so this rank has read its slots.
 * Small buckets leave the last ranks without a part.
 */
export function program({ elements, chunkElements, worldSize, rank }: Shape): Program {
  const partElements = Math.ceil(elements / worldSize / alignment) * alignment;
  const start = (owner: number) => Math.min(elements, owner * partElements);
  const others = othersFrom(rank, worldSize);
  const owners = Array.from({ length: worldSize }, (_, owner) => owner);
  return {
    chunks: owners.flatMap((owner) =>
      pieces(start(owner), start(owner + 1), chunkElements).map(({ offset, length }) => ({
        offset,
        length,
        owner,
        contribution: 'scatter' as const,
        contributeTo: owner === rank ? [] : [owner],
        resultTo: owner === rank ? others : [],
        receiveOffset: owner === rank ? offset - start(rank) : 0,
      })),
    ),
    receiveElements: start(rank + 1) - start(rank),
    receiveSets: 1,
  };
}
