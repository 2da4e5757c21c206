import { float, int } from '../attributes.ts';
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
  ['FusedBatchNorm', batchNorm],
  ['LRN', localResponse],
  ['LRNGrad', localResponseGrad],
]);
