import assert from 'node:assert/strict';
import { type SumTree, sumTree } from './tree.ts';

const written = (tree: SumTree): string =>
  typeof tree === 'number' ? String(tree) : `(${written(tree[0])}+${written(tree[1])})`;

describe('sumTree', () => {
  it('adds neighbours, then pairs of neighbours', () => {
    assert.equal(written(sumTree(8)), '(((0+1)+(2+3))+((4+5)+(6+7)))');
  });

  it('splits other counts at the largest power of two below', () => {
    assert.deepEqual(
      [1, 2, 3, 5, 6, 7].map((count) => written(sumTree(count))),
      ['0', '(0+1)', '((0+1)+2)', '(((0+1)+(2+3))+4)', '(((0+1)+(2+3))+(4+5))', '(((0+1)+(2+3))+((4+5)+6))'],
    );
  });
});
