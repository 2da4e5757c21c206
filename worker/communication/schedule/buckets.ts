import type { Bucket, BucketPart } from './types.ts';

/** A trained variable; `layer` is the order in which forward first uses it, `elements` counts float32 values. */
export interface TrainedVariable {
  index: number;
  layer: number;
  elements: number;
}

/** Parts start at multiples of this many elements (64 bytes), so that a native engine aliases them without a copy. */
const alignment = 16;

/** The first layers' bucket is the last that is complete, and the next step waits for it; smaller ones would cost more than they save. */
const firstBytes = 256 << 10;

/** What is larger leaves in parts of this size, so that the first parts' sums are back before the last part has left. */
const usualMostBytes = 32 << 20;

interface Options {
  bucketBytes: number;
  /** No bucket is larger; a multiple of 64. */
  mostBytes?: number;
}

/** A tensor, or a part of one. */
interface Piece extends TrainedVariable {
  first: number;
}

/**
 * Fuses the gradients of neighbouring layers into buckets of at most `bucketBytes`, the first ones of less: each may hold
 * twice as much as the one before. A tensor that alone reaches a bucket's limit is a bucket of its own; the small ones
 * before and after it are still neighbours; of one larger than `mostBytes` each part of that size is a bucket. Buckets
 * are ordered by layer, parts of a tensor by their place in it, ids follow.
 */
export function planBuckets(
  variables: readonly TrainedVariable[],
  { bucketBytes, mostBytes = usualMostBytes }: Options,
): Bucket[] {
  const largest = Math.min(bucketBytes, mostBytes) / 4;
  let limit = Math.min(largest, firstBytes / 4);
  const grow = () => {
    limit = Math.min(2 * limit, largest);
  };
  const groups: Piece[][] = [];
  let open: Piece[] | undefined;
  let filled = 0;
  let openLimit = limit;
  for (const variable of variables.toSorted((a, b) => a.layer - b.layer || a.index - b.index)) {
    const size = aligned(variable.elements);
    if (variable.elements >= limit) {
      for (const piece of piecesOf(variable, mostBytes / 4)) groups.push([piece]);
      grow();
    } else if (open === undefined || filled + size > openLimit) {
      if (open !== undefined) grow();
      open = [{ ...variable, first: 0 }];
      filled = size;
      openLimit = limit;
      groups.push(open);
    } else {
      open.push({ ...variable, first: 0 });
      filled += size;
    }
  }
  return groups
    .map((group) => ({ layer: Math.min(...group.map((v) => v.layer)), group }))
    .sort((a, b) => a.layer - b.layer)
    .map(({ layer, group }, id) => ({ id, layer, priority: 0 - layer, ...pack(group) }));
}

function piecesOf(variable: TrainedVariable, mostElements: number): Piece[] {
  return Array.from({ length: Math.max(1, Math.ceil(variable.elements / mostElements)) }, (_, part) => {
    const first = part * mostElements;
    return { ...variable, first, elements: Math.min(mostElements, variable.elements - first) };
  });
}

function pack(group: readonly Piece[]): { elements: number; parts: BucketPart[] } {
  const parts: BucketPart[] = [];
  let end = 0;
  for (const { index, first, elements } of group) {
    const offset = aligned(end);
    parts.push({ variable: index, first, offset, length: elements });
    end = offset + elements;
  }
  return { elements: end, parts };
}

function aligned(elements: number): number {
  return Math.ceil(elements / alignment) * alignment;
}
