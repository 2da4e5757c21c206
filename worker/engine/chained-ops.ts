/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.d.ts" />
import * as core from '@tensorflow/tfjs-core';

/** Ops that are methods of tensors under their own name, the tensor being the first argument. */
const plain = `
  abs acos acosh add all any argMax argMin asin asinh atan atan2 atanh avgPool batchNorm batchToSpaceND
  broadcastTo cast ceil clipByValue conv1d conv2d conv2dTranspose cos cosh cumprod cumsum depthToSpace
  depthwiseConv2D depthwiseConv2d dilation2d div divNoNan dot elu equal erf euclideanNorm exp expandDims expm1
  floor floorDiv gather greater greaterEqual isFinite isInf isNaN leakyRelu less lessEqual
  localResponseNormalization log log1p logSigmoid logSoftmax logSumExp logicalAnd logicalNot logicalOr logicalXor
  matMul max maxPool maximum mean min minimum mirrorPad mod mul neg norm notEqual oneHot onesLike pad pool pow
  prelu prod reciprocal relu relu6 reshape reverse round rsqrt selu separableConv2d sigmoid sign sin sinh slice
  softmax softplus spaceToBatchND split sqrt square squaredDifference squeeze step stridedSlice sub sum tan tanh
  tile topk transpose unique unsortedSegmentSum unstack zerosLike
`;

type Op = (...args: unknown[]) => unknown;
type T = core.Tensor;

/** Methods whose arguments are not simply those of the op. */
const special: Readonly<Record<string, (self: T, ...args: never[]) => unknown>> = {
  asScalar: (self) => core.reshape(self, []),
  as1D: (self) => core.reshape(self, [self.size]),
  as2D: (self, ...shape: number[]) => core.reshape(self, shape),
  as3D: (self, ...shape: number[]) => core.reshape(self, shape),
  as4D: (self, ...shape: number[]) => core.reshape(self, shape),
  as5D: (self, ...shape: number[]) => core.reshape(self, shape),
  asType: (self, dtype: core.DataType) => core.cast(self, dtype),
  concat: (self, others: T | T[], axis?: number) => core.concat([self, ...[others].flat()], axis),
  flatten: (self) => core.reshape(self, [self.size]),
  reshapeAs: (self, other: T) => core.reshape(self, other.shape),
  stack: (self, others: T | T[], axis?: number) => core.stack([self, ...[others].flat()], axis),
  toBool: (self) => core.cast(self, 'bool'),
  toFloat: (self) => core.cast(self, 'float32'),
  toInt: (self) => core.cast(self, 'int32'),
  where: (self, condition: T, other: T) => core.where(condition, self, other),
  resizeBilinear: (self, ...args: [[number, number], boolean?, boolean?]) =>
    core.image.resizeBilinear(self as core.Tensor4D, ...args),
  resizeNearestNeighbor: (self, ...args: [[number, number], boolean?, boolean?]) =>
    core.image.resizeNearestNeighbor(self as core.Tensor4D, ...args),
};

/** Gives tensors the ops as methods (`x.relu()`), which TensorFlow.js's Node bundle of the core leaves out and tf.layers calls. */
export function chainOps(): void {
  const prototype = core.Tensor.prototype as unknown as Record<string, Op>;
  for (const name of plain.trim().split(/\s+/)) {
    const op = (core as unknown as Record<string, Op | undefined>)[name];
    if (op === undefined || name in prototype) continue;
    prototype[name] = function chained(this: T, ...args: unknown[]) {
      return op(this, ...args);
    };
  }
  for (const [name, method] of Object.entries(special)) {
    prototype[name] = function chained(this: T, ...args: unknown[]) {
      return method(this, ...(args as never[]));
    };
  }
}
