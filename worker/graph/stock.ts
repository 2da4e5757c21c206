import { onStockBackend, shapeBackends } from '../engine/capture-backend.ts';
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import type { OptimizerSettings } from '../program/define.ts';
import { regularized, stockLoss, targetOf } from './loss.ts';
import { buildModel, type CaptureRequest } from './model.ts';

/**
 * Bytes of distinct buffers that TensorFlow.js's own training step, `optimizer.minimize`, would hold at its worst for
 * this program: weights, optimizer state, the batch, and what its tape keeps. The real tape and optimizer run, on a
 * backend without arithmetic; its kernels are those of the WASM engine. 0 where that tape cannot train the program.
 */
export async function stockPeakBytes<P>(request: CaptureRequest<P>): Promise<number> {
  const { stock } = await shapeBackends();
  const model = buildModel(request);
  const { loss, optimizer } = request.program;
  const minimizer = optimizerOf(optimizer(request.parameters));
  const before = stock.meter.live;
  try {
    return onStockBackend(() => {
      const inputs = model.inputs.map((input) =>
        tf.zeros([request.batchSize, ...input.shape.slice(1)] as number[], input.dtype),
      );
      const outputs = model.outputs[0]?.shape.slice(1) as number[];
      const target = targetOf(loss, [request.batchSize, ...outputs]);
      const y = tf.zeros(target.shape, target.dtype);
      const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: Variable }).val);
      const step = () => {
        minimizer.minimize(
          () => {
            const prediction = model.apply(inputs.length === 1 ? (inputs[0] as Tensor) : inputs, {
              training: true,
            }) as Tensor;
            return regularized(model, stockLoss(loss, y, prediction, prediction)) as never;
          },
          false,
          variables,
        );
      };
      withMeanUnfilled(step); // makes the optimizer's state, which a step in the middle of a training has
      stock.meter.peak = stock.meter.live;
      withMeanUnfilled(step);
      const peak = stock.meter.peak - before;
      tf.dispose([...inputs, y]);
      return peak;
    });
  } catch {
    return 0;
  } finally {
    minimizer.dispose();
    model.dispose();
  }
}

function optimizerOf(settings: OptimizerSettings) {
  switch (settings.kind) {
    case 'sgd':
      return tf.train.sgd(settings.learningRate);
    case 'momentum':
      return tf.train.momentum(settings.learningRate, settings.momentum, settings.nesterov);
    case 'adam':
      return tf.train.adam(settings.learningRate, settings.beta1, settings.beta2, settings.epsilon);
    default:
      throw new TypeError(`unknown optimizer ${JSON.stringify(settings satisfies never)}`);
  }
}

/**
 * Runs `body` with a gradient of Mean that holds the bytes of TensorFlow.js's own. That one fills an array of ones as
 * large as the mean's input in JavaScript, seconds for a network with batch normalisation; where nothing is computed,
 * any tensor of that size will do.
 */
function withMeanUnfilled(body: () => void): void {
  const own = tf.getGradient('Mean');
  const gradFunc: typeof own.gradFunc = (dy, saved, attrs) => {
    const [x] = saved as [Tensor];
    const axes = new Set(tf.util.parseAxisParam(attrs['axis'] as number | number[], x.shape));
    const spread = () => {
      const kept = tf.reshape(
        dy as Tensor,
        x.shape.map((size, axis) => (axes.has(axis) ? 1 : size)),
      );
      return tf.div(tf.mul(kept, tf.neg(x)), x.size / kept.size);
    };
    return { x: spread };
  };
  tf.unregisterGradient('Mean');
  tf.registerGradient({ ...own, gradFunc });
  try {
    body();
  } finally {
    tf.unregisterGradient('Mean');
    tf.registerGradient(own);
  }
}
