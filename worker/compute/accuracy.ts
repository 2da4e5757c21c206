import type { LossName } from '../program/define.ts';

/** Right answers among all. */
export interface Score {
  correct: number;
  total: number;
}

/** A batch of predictions and what they should be. */
export interface Answers {
  prediction: ArrayLike<number>;
  /** Size of the prediction's last axis. */
  classes: number;
  y: ArrayLike<number>;
  /** Above this a prediction of sigmoidCrossEntropy means yes: 0 for logits, 0.5 for probabilities. */
  threshold: number;
}

/** Counts right answers of a classification; undefined for losses that are none. */
export function score(loss: LossName, answers: Answers): Score | undefined {
  const { prediction, classes, y, threshold } = answers;
  const rows = prediction.length / classes;
  switch (loss) {
    case 'sparseSoftmaxCrossEntropy':
      return count(rows, (row) => largest(prediction, row, classes) === y[row]);
    case 'softmaxCrossEntropy':
      return count(rows, (row) => largest(prediction, row, classes) === largest(y, row, classes));
    case 'sigmoidCrossEntropy':
      return count(prediction.length, (at) => (prediction[at] as number) > threshold === (y[at] as number) > 0.5);
    case 'meanSquaredError':
      return undefined;
    default:
      throw new TypeError(`unknown loss ${String(loss satisfies never)}`);
  }
}

function count(total: number, isRight: (at: number) => boolean): Score {
  let correct = 0;
  for (let at = 0; at < total; at++) if (isRight(at)) correct++;
  return { correct, total };
}

/** Index of the largest number of a row; the first of equals. */
function largest(numbers: ArrayLike<number>, row: number, classes: number): number {
  let best = 0;
  for (let at = 1; at < classes; at++) {
    if ((numbers[row * classes + at] as number) > (numbers[row * classes + best] as number)) best = at;
  }
  return best;
}
