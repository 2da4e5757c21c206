import { type LayersModel, type Tensor, tf } from '../engine/tf.ts';
import type { LossFunction, LossName } from '../program/define.ts';
import type { DType } from './graph.ts';

/** Shape and element type of the y that a loss wants for a prediction. */
export function targetOf(
  loss: LossName | LossFunction,
  prediction: readonly number[],
): { shape: number[]; dtype: DType } {
  return loss === 'sparseSoftmaxCrossEntropy'
    ? { shape: prediction.slice(0, -1), dtype: 'int32' }
    : { shape: [...prediction], dtype: 'float32' };
}

/** The loss as kernels of ours and tf ops; `logits` is the prediction before a closing softmax or sigmoid. */
export function leanLoss(loss: LossName | LossFunction, y: Tensor, prediction: Tensor, logits: Tensor): Tensor {
  if (loss !== 'softmaxCrossEntropy' && loss !== 'sparseSoftmaxCrossEntropy')
    return stockLoss(loss, y, prediction, logits);
  const classes = logits.shape.at(-1) as number;
  const rows = tf.reshape(logits, [-1, classes]);
  const labels = tf.reshape(y, loss === 'softmaxCrossEntropy' ? [-1, classes] : [-1]);
  return tf.engine().runKernel<Tensor>('SoftmaxCrossEntropy', { logits: rows, labels }, {});
}

/** The same loss with TensorFlow.js's ops alone. */
export function stockLoss(loss: LossName | LossFunction, y: Tensor, prediction: Tensor, logits: Tensor): Tensor {
  switch (loss) {
    case 'softmaxCrossEntropy':
      return tf.losses.softmaxCrossEntropy(y, logits);
    case 'sparseSoftmaxCrossEntropy':
      return tf.losses.softmaxCrossEntropy(tf.oneHot(y, logits.shape.at(-1) as number), logits);
    case 'sigmoidCrossEntropy':
      return tf.losses.sigmoidCrossEntropy(y, logits);
    case 'meanSquaredError':
      return tf.losses.meanSquaredError(y, prediction);
    default:
      return loss(tf, y, prediction);
  }
}

/** Adds the penalties of the layers' regularizers. */
export function regularized(model: LayersModel, loss: Tensor): Tensor {
  return model.calculateLosses().reduce<Tensor>((total, penalty) => tf.add(total, penalty), loss);
}
