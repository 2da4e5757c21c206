/**
 * The one order in which contributions of ranks are added: ((0+1)+(2+3))+((4+5)+(6+7)), for any collective, bucket and
 * chunk size and order of arrival. For other counts the left half is the largest power of two below the count.
 */
export type SumTree = number | readonly [SumTree, SumTree];

/** The tree over ranks first … first + count − 1. */
export function sumTree(count: number, first = 0): SumTree {
  if (count === 1) return first;
  const left = leftCount(count);
  return [sumTree(left, first), sumTree(count - left, first + left)];
}

/** Ranks in the left half of a tree of `count` >= 2. */
export function leftCount(count: number): number {
  return 1 << (31 - Math.clz32(count - 1));
}
