import { othersFrom, pieces } from './pieces.ts';
import type { Program, Shape } from './program.ts';

/**
 * Everyone sends everything to everyone, each adds all: one round, (P−1)n bytes each way.
 *
 * A rank can finish while a slower one still waits for a third, and send its next contribution: hence two sets of receive slots. It
 * cannot be two ahead, since the next sum needs the slower rank's next contribution.
 */
export function program({ elements, chunkElements, worldSize, rank }: Shape): Program {
  const others = othersFrom(rank, worldSize);
  return {
    chunks: pieces(0, elements, chunkElements).map(({ offset, length }) => ({
      offset,
      length,
      owner: rank,
      contribution: 'gather',
      contributeTo: others,
      resultTo: [],
      receiveOffset: offset,
    })),
    receiveElements: elements,
    receiveSets: 2,
  };
}
