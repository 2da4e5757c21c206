import assert from 'node:assert/strict';
import { score } from './accuracy.ts';

describe('score', () => {
  const prediction = [0.1, 0.9, 0.5, 0.5, 2, -1];

  it('compares the largest prediction of a row, the first of equals, with the class', () => {
    const answers = { prediction, classes: 2, y: [1, 1, 0], threshold: 0 };
    assert.deepEqual(score('sparseSoftmaxCrossEntropy', answers), { correct: 2, total: 3 });
  });

  it('compares with one-hot rows', () => {
    const answers = { prediction, classes: 2, y: [0, 1, 1, 0, 0, 1], threshold: 0 };
    assert.deepEqual(score('softmaxCrossEntropy', answers), { correct: 2, total: 3 });
  });

  it('asks for yes above the threshold, number by number', () => {
    const answers = { prediction, classes: 2, y: [0, 1, 0, 1, 1, 0] };
    assert.deepEqual(score('sigmoidCrossEntropy', { ...answers, threshold: 0 }), { correct: 4, total: 6 });
    assert.deepEqual(score('sigmoidCrossEntropy', { ...answers, threshold: 0.5 }), { correct: 5, total: 6 });
  });

  it('knows no right and wrong for regressions', () => {
    assert.equal(score('meanSquaredError', { prediction, classes: 1, y: prediction, threshold: 0 }), undefined);
  });
});
