import type { Phase } from '../schedule/priority.ts';
import type { Collective } from '../schedule/types.ts';
import * as gatherSum from './gather-sum.ts';
import * as splitSum from './split-sum.ts';

/** A bucket as one rank sees it. */
export interface Shape {
  elements: number;
  /** A multiple of 16, so that every chunk starts on 64 bytes. */
  chunkElements: number;
  worldSize: number;
  rank: number;
}

/** What one rank does with one piece of a bucket. Offsets and lengths in elements. */
export interface Chunk {
  offset: number;
  length: number;
  /** The rank whose sum this rank takes; its own rank when it sums the chunk itself. */
  owner: number;
  /** Phase of contributions to this chunk. */
  contribution: Exclude<Phase, 'result'>;
  /** Who gets this rank's contribution once the bucket is submitted. */
  contributeTo: readonly number[];
  /** Who gets the sum once it is made here. */
  resultTo: readonly number[];
  /** Where contributions of others land in a source's receive slot; 0 when others sum the chunk. */
  receiveOffset: number;
}

/**
 * One rank's part of a collective: says which chunk of which phase goes to whom and what an arrival means, nothing of how or when.
 * A chunk has the same index on all ranks.
 */
export interface Program {
  chunks: readonly Chunk[];
  /** Elements of the receive slot of each other rank. */
  receiveElements: number;
  /** 2 when a peer can send its next contribution before this rank has summed the last one. */
  receiveSets: 1 | 2;
}

export function programOf(collective: Collective, shape: Shape): Program {
  switch (collective) {
    case 'gather-sum':
      return gatherSum.program(shape);
    case 'split-sum':
      return splitSum.program(shape);
    default:
      return assertNever(collective);
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown collective ${String(value)}`);
}
