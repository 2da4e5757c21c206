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

/**
 * Fuses the gradients of neighbouring layers into buckets of at most `bucketBytes`, the first ones of less: each may hold
 * twice as much as the one before. A tensor that alone reaches a bucket's limit is a bucket of its own; the small ones
 * before and after it are still neighbours. Buckets are ordered by layer, ids follow.
 */
export function planBuckets(variables: readonly TrainedVariable[], options: { bucketBytes: number }): Bucket[] {
  let limit = Math.min(options.bucketBytes, firstBytes) / 4;
  const grow = () => {
    limit = Math.min(2 * limit, options.bucketBytes / 4);
  };
  const groups: TrainedVariable[][] = [];
  let open: TrainedVariable[] | undefined;
  let filled = 0;
  let openLimit = limit;
  for (const variable of variables.toSorted((a, b) => a.layer - b.layer || a.index - b.index)) {
    const size = aligned(variable.elements);
    if (variable.elements >= limit) {
      groups.push([variable]);
      grow();
    } else if (open === undefined || filled + size > openLimit) {
      if (open !== undefined) grow();
      open = [variable];
      filled = size;
      openLimit = limit;
      groups.push(open);
    } else {
      open.push(variable);
      filled += size;
    }
  }
  return groups
    .map((group) => ({ layer: Math.min(...group.map((v) => v.layer)), group }))
    .sort((a, b) => a.layer - b.layer)
    .map(({ layer, group }, id) => ({ id, layer, priority: 0 - layer, ...pack(group) }));
}

function pack(group: readonly TrainedVariable[]): { elements: number; parts: BucketPart[] } {
  const parts: BucketPart[] = [];
  let end = 0;
  for (const { index, elements } of group) {
    const offset = aligned(end);
    parts.push({ variable: index, offset, length: elements });
    end = offset + elements;
  }
  return { elements: end, parts };
}

function aligned(elements: number): number {
  return Math.ceil(elements / alignment) * alignment;
}
