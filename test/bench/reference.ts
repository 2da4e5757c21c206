import { type SumTree, sumTree } from '../../worker/communication/schedule/tree.ts';
import { contribute } from './contribution.ts';

/** What all ranks must get, bit for bit: contributions added in the tree order, one float32 rounding an addition. */
export function referenceSum(worldSize: number, step: number, bucket: number, elements: number): Float32Array {
  const parts = Array.from({ length: worldSize }, (_, rank) => {
    const part = new Float32Array(elements);
    contribute(part, rank, step, bucket);
    return part;
  });
  return treeSum(parts);
}

/** Adds `parts`, by rank, in the tree order. */
export function treeSum(parts: readonly Float32Array[]): Float32Array {
  const evaluate = (tree: SumTree): Float32Array => {
    if (typeof tree === 'number') return parts[tree]!;
    const [left, right] = [evaluate(tree[0]), evaluate(tree[1])];
    return left.map((value, i) => Math.fround(value + right[i]!));
  };
  return evaluate(sumTree(parts.length));
}
