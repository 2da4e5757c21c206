import { type LayersModel, type Tensor, tf } from '../engine/tf.ts';
import { leafLayers } from './model.ts';

/** What tf.layers' batch normalisation holds. */
interface BatchNormLayer {
  axis: number;
  momentum: number;
  epsilon: number;
  gamma?: LayerWeight;
  beta?: LayerWeight;
  movingMean: LayerWeight;
  movingVariance: LayerWeight;
  call: (inputs: Tensor | Tensor[], options: { training?: boolean }) => Tensor | Tensor[];
}

interface LayerWeight {
  read: () => Tensor;
  write: (value: Tensor) => unknown;
}

/**
 * Lets the model's batch normalisations over the last axis, where they train, run as one kernel with saved statistics
 * instead of tf.layers' thirteen, which keep more tensors as large as x.
 */
export function useBatchNormKernel(model: LayersModel): void {
  for (const layer of leafLayers(model)) {
    if (layer.getClassName() !== 'BatchNormalization') continue;
    const batchNorm = layer as unknown as BatchNormLayer;
    const stock = batchNorm.call.bind(layer);
    batchNorm.call = (inputs, options) => {
      const x = Array.isArray(inputs) ? (inputs[0] as Tensor) : inputs;
      const { axis, gamma, beta } = batchNorm;
      const isLast = axis === -1 || axis === x.rank - 1;
      if (options.training !== true || !isLast || gamma === undefined || beta === undefined) {
        return stock(inputs, options);
      }
      return normalize(batchNorm, { x, gamma: gamma.read(), beta: beta.read() });
    };
  }
}

function normalize(layer: BatchNormLayer, weights: { x: Tensor; gamma: Tensor; beta: Tensor }): Tensor {
  const { movingMean, movingVariance, epsilon, momentum } = layer;
  const inputs = { ...weights, movingMean: movingMean.read(), movingVariance: movingVariance.read() };
  const made = tf.engine().runKernel<Tensor[]>('BatchNormTraining', inputs, { epsilon, momentum });
  const [y, , , nextMean, nextVariance] = made as [Tensor, Tensor, Tensor, Tensor, Tensor];
  movingMean.write(nextMean);
  movingVariance.write(nextVariance);
  return y;
}
