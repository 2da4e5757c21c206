import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Device, floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';

/**
 * Batch normalisation in training, over all axes but the last (Ioffe and Szegedy, 2015): from x […, C], gamma, beta and
 * the moving statistics [C], with `epsilon` and `momentum`, makes y […, C]; the batch's mean and biased variance [C],
 * which the gradient reads; and the new moving mean and variance [C], the old ones times `momentum` plus the rest of the
 * batch's. `residual` […, C] is added to y, which with `activation` relu is then rectified.
 */
export const batchNormTraining: Kernel = ({ device }, inputs, attrs) => {
  const [x, gamma, beta] = [input(inputs, 'x'), input(inputs, 'gamma'), input(inputs, 'beta')];
  const moving = [input(inputs, 'movingMean'), input(inputs, 'movingVariance')] as const;
  const perChannel = () => device.make(gamma.shape, 'float32');
  const y = device.make(x.shape, 'float32');
  const batch = [perChannel(), perChannel()] as const;
  const moved = [perChannel(), perChannel()] as const;
  const made = [y, ...batch, ...moved];
  if (!device.computes) return made;
  const [source, target] = [floats(device, x), floats(device, y)];
  const { mean, variance } = statisticsOf(source, floats(device, gamma).length);
  const momentum = attrs['momentum'] as number;
  [mean, variance].forEach((statistic, which) => {
    floats(device, batch[which] as TensorInfo).set(statistic);
    const before = floats(device, moving[which] as TensorInfo);
    const after = before.map((value, c) => value - (value - (statistic[c] as number)) * (1 - momentum));
    floats(device, moved[which] as TensorInfo).set(after);
  });
  const scale = scales(device, gamma, variance, attrs['epsilon'] as number);
  const shift = scale.map((factor, c) => (floats(device, beta)[c] as number) - (mean[c] as number) * factor);
  const channels = scale.length;
  const rectified = attrs['activation'] === 'relu';
  const residual = inputs['residual'] as TensorInfo | undefined;
  const added = residual && floats(device, residual);
  for (let at = 0; at < source.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const own = (source[at + c] as number) * (scale[c] as number) + (shift[c] as number);
      const value = added === undefined ? own : Math.fround(own) + (added[at + c] as number);
      target[at + c] = rectified && value < 0 ? 0 : value;
    }
  }
  return made;
};

/**
 * All gradients of {@link batchNormTraining} at once, from dy, x, gamma and the saved statistics: dx, dgamma, dbeta. With
 * `y` (and `beta`), those of the rectified y: dy counts where y is above 0.
 */
export const batchNormTrainingGrad: Kernel = ({ device }, inputs, attrs) => {
  const [dy, x, gamma] = [input(inputs, 'dy'), input(inputs, 'x'), input(inputs, 'gamma')];
  const [mean, variance] = [input(inputs, 'mean'), input(inputs, 'variance')];
  const dx = device.make(x.shape, 'float32');
  const dgamma = device.make(gamma.shape, 'float32');
  const dbeta = device.make(gamma.shape, 'float32');
  const made = [dx, dgamma, dbeta];
  if (!device.computes) return made;
  const result = inputs['y'] as TensorInfo | undefined;
  const [source, given, target] = [floats(device, x), floats(device, dy), floats(device, dx)];
  const mask = result === undefined ? undefined : floats(device, result);
  const upstream = mask === undefined ? given : given.map((value, at) => ((mask[at] as number) > 0 ? value : 0));
  const center = floats(device, mean);
  const channels = center.length;
  const sum = new Float64Array(channels);
  const product = new Float64Array(channels);
  for (let at = 0; at < source.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const dyAt = upstream[at + c] as number;
      sum[c] = (sum[c] as number) + dyAt;
      product[c] = (product[c] as number) + dyAt * ((source[at + c] as number) - (center[c] as number));
    }
  }
  const spread = floats(device, variance);
  const epsilon = attrs['epsilon'] as number;
  const scale = scales(device, gamma, spread, epsilon);
  const rows = source.length / channels;
  // dx = scale · (dy − mean(dy) − (x − mean) · mean(dy · (x − mean)) / (variance + epsilon)), as slope · x + offset
  const slope = product.map((value, c) => (-(scale[c] as number) * value) / rows / ((spread[c] as number) + epsilon));
  const offset = sum.map((value, c) => (-(scale[c] as number) * value) / rows);
  for (let at = 0; at < source.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      target[at + c] =
        (scale[c] as number) * (upstream[at + c] as number) +
        (slope[c] as number) * ((source[at + c] as number) - (center[c] as number)) +
        (offset[c] as number);
    }
  }
  floats(device, dbeta).set(sum);
  floats(device, dgamma).set(product.map((value, c) => value / Math.sqrt((spread[c] as number) + epsilon)));
  return made;
};

/** Two passes: the variance of numbers far from 0 would drown in one. */
function statisticsOf(x: Float32Array, channels: number): { mean: Float64Array; variance: Float64Array } {
  const rows = x.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  for (let at = 0; at < x.length; at += channels) {
    for (let c = 0; c < channels; c++) mean[c] = (mean[c] as number) + (x[at + c] as number);
  }
  for (let c = 0; c < channels; c++) mean[c] = (mean[c] as number) / rows;
  for (let at = 0; at < x.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const distance = (x[at + c] as number) - (mean[c] as number);
      variance[c] = (variance[c] as number) + distance * distance;
    }
  }
  for (let c = 0; c < channels; c++) variance[c] = (variance[c] as number) / rows;
  return { mean, variance };
}

/** gamma / √(variance + epsilon). */
function scales(device: Device, gamma: TensorInfo, variance: ArrayLike<number>, epsilon: number): Float64Array {
  return Float64Array.from(floats(device, gamma), (value, c) => value / Math.sqrt((variance[c] as number) + epsilon));
}
