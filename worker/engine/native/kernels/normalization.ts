import { bool, float, int } from '../attributes.ts';
import { input, type Kernel } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';

/**
 * Normalisation with given statistics of any shape that x's broadcasts to: x · factor + (offset − mean · factor),
 * where factor = scale / √(variance + epsilon).
 */
const batchNorm: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const [mean, variance] = [input(inputs, 'mean'), input(inputs, 'variance')];
  const epsilon = ops.constant((attrs['varianceEpsilon'] as number | undefined) ?? 1e-3, 'float32');
  const shifted = ops.one('AddV2', [variance, epsilon], variance);
  const inverse = ops.one('Rsqrt', [shifted], variance, {}, [shifted]);
  const factor = times(ops, inverse, inputs['scale'] as Tensor | undefined);
  const centre = ops.one('Mul', [mean, factor], mean);
  const shift = minus(ops, inputs['offset'] as Tensor | undefined, centre);
  const scaled = ops.one('Mul', [x, factor], x);
  ops.release(factor);
  const out = ops.one('AddV2', [scaled, shift], x, {}, [scaled]);
  ops.release(shift);
  return out;
};

function times(ops: Ops, factor: Tensor, scale: Tensor | undefined): Tensor {
  return scale === undefined ? factor : ops.one('Mul', [factor, scale], factor, {}, [factor]);
}

/** offset − centre, in the memory of `centre`. */
function minus(ops: Ops, offset: Tensor | undefined, centre: Tensor): Tensor {
  const negative = ops.one('Neg', [centre], centre, {}, [centre]);
  return offset === undefined ? negative : ops.one('AddV2', [negative, offset], negative, {}, [negative]);
}

/** Rows of channels as TensorFlow's op wants them, images of one pixel. */
function asImages(ops: Ops, x: Tensor): Tensor {
  const channels = x.shape.at(-1) as number;
  return ops.alias(x, [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), 1, 1, channels]);
}

/** rows + the images, in the memory of `rows`. */
function plus(ops: Ops, rows: Tensor, images: Tensor): Tensor {
  const flat = asImages(ops, images);
  const sum = ops.one('AddV2', [rows, flat], rows, {}, [rows]);
  ops.release(flat);
  return sum;
}

/** before − (before − batch) · (1 − momentum). */
function moved(ops: Ops, before: Tensor, batch: Tensor, momentum: number): Tensor {
  const distance = ops.one('Sub', [before, batch], before);
  const way = ops.one('Mul', [distance, ops.constant(1 - momentum, 'float32')], before, {}, [distance]);
  const after = ops.one('Sub', [before, way], before);
  ops.release(way);
  return after;
}

/** y, with `residual` added and rectified where `activation` is relu, the batch's mean and biased variance, the new moving mean and variance. */
const batchNormTraining: Kernel = (ops, inputs, attrs) => {
  const [x, gamma, beta] = [input(inputs, 'x'), input(inputs, 'gamma'), input(inputs, 'beta')];
  const residual = inputs['residual'] as Tensor | undefined;
  if (ops.device === 'gpu') {
    const moving = [input(inputs, 'movingMean'), input(inputs, 'movingVariance')];
    const given = [x, gamma, beta, ...moving, ...(residual === undefined ? [] : [residual])];
    const relu = attrs['activation'] === 'relu';
    return ops.batchNorm(given, attrs['epsilon'] as number, relu, attrs['momentum'] as number);
  }
  const none = ops.constant([], 'float32');
  const flat = asImages(ops, x);
  const attributes = { epsilon: float(attrs['epsilon'] as number), is_training: bool(true) };
  // What TensorFlow saves for its gradient are, on the CPU, the mean and the biased variance.
  const outs = [flat, gamma, gamma, gamma, gamma, undefined];
  const made = ops.run('FusedBatchNormV3', [flat, gamma, beta, none, none], outs, attributes, []);
  const [rows, ofMoving, unbiased, mean, variance] = made as [Tensor, Tensor, Tensor, Tensor, Tensor];
  for (const tensor of [flat, ofMoving, unbiased]) ops.release(tensor);
  const summed = residual === undefined ? rows : plus(ops, rows, residual);
  const activated = attrs['activation'] === 'relu' ? ops.one('Relu', [summed], summed, {}, [summed]) : summed;
  const y = ops.alias(activated, x.shape);
  ops.release(activated);
  const momentum = attrs['momentum'] as number;
  const movedMean = moved(ops, input(inputs, 'movingMean'), mean, momentum);
  return [y, mean, variance, movedMean, moved(ops, input(inputs, 'movingVariance'), variance, momentum)];
};

/** dx, dgamma, dbeta from the statistics that {@link batchNormTraining} returned; with `y` and `beta`, of its rectified result. */
const batchNormTrainingGrad: Kernel = (ops, inputs, attrs) => {
  const [upstream, x, gamma] = [input(inputs, 'dy'), input(inputs, 'x'), input(inputs, 'gamma')];
  const result = inputs['y'] as Tensor | undefined;
  const statistics = [input(inputs, 'mean'), input(inputs, 'variance')];
  if (ops.device === 'gpu') {
    // The mask is computed anew, which costs less than reading y.
    const given = [upstream, x, gamma, result === undefined ? gamma : input(inputs, 'beta'), ...statistics];
    return ops.batchNormGrad(given, attrs['epsilon'] as number, result !== undefined);
  }
  const dy = result === undefined ? upstream : ops.one('ReluGrad', [upstream, result], upstream);
  const flat = [dy, x].map((tensor) => asImages(ops, tensor)) as [Tensor, Tensor];
  const attributes = { epsilon: float(attrs['epsilon'] as number), is_training: bool(true) };
  const outs = [flat[1], gamma, gamma, undefined, undefined];
  const given = [...flat, gamma, ...statistics, ops.constant([], 'float32')];
  const [rows, dgamma, dbeta] = ops.run('FusedBatchNormGradV3', given, outs, attributes, []) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const dx = ops.alias(rows, x.shape);
  for (const tensor of [...flat, rows]) ops.release(tensor);
  if (dy !== upstream) ops.release(dy);
  return [dx, dgamma, dbeta];
};

const settings = (attrs: Readonly<Record<string, unknown>>) => ({
  depth_radius: int(attrs['depthRadius'] as number),
  bias: float(attrs['bias'] as number),
  alpha: float(attrs['alpha'] as number),
  beta: float(attrs['beta'] as number),
});

const localResponse: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  return ops.one('LRN', [x], x, settings(attrs));
};

const localResponseGrad: Kernel = (ops, inputs, attrs) => {
  const [x, y, dy] = [input(inputs, 'x'), input(inputs, 'y'), input(inputs, 'dy')];
  return ops.one('LRNGrad', [dy, x, y], x, settings(attrs));
};

export const normalizations: ReadonlyMap<string, Kernel> = new Map([
  ['BatchNormTraining', batchNormTraining],
  ['BatchNormTrainingGrad', batchNormTrainingGrad],
  ['FusedBatchNorm', batchNorm],
  ['LRN', localResponse],
  ['LRNGrad', localResponseGrad],
]);
