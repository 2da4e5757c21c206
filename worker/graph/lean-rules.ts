import { type Tensor, tf } from '../engine/tf.ts';

/** What a rule may use. Whatever it does not use is not kept from forward. */
interface RuleContext {
  dy: Tensor;
  /** Tensors of the node's inputs, made when asked for. */
  input: (name: string) => Tensor;
  inputShape: (name: string) => number[];
  /** The node's first output, or that of a number. */
  output: (index?: number) => Tensor;
  attrs: Readonly<Record<string, unknown>>;
}

/** One thunk an input: each gradient is computed by itself, and only where something needs it. */
export type LeanRule = (context: RuleContext) => Readonly<Record<string, () => Tensor>>;

const run = (kernel: string, inputs: Record<string, Tensor>, attrs: Readonly<Record<string, unknown>> = {}) =>
  tf.engine().runKernel<Tensor>(kernel, inputs, attrs as never);

/** The gradient of a reduction, repeated over the axes that were reduced. */
function spreadBack(dy: Tensor, shape: number[], axes: number | number[] | undefined, factor: number): Tensor {
  const reduced = new Set(tf.util.parseAxisParam(axes ?? shape.map((_, axis) => axis), shape));
  const scaled = factor === 1 ? dy : tf.mul(dy, factor);
  const kept = tf.reshape(
    scaled,
    shape.map((size, axis) => (reduced.has(axis) ? 1 : size)),
  );
  return tf.tile(
    kept,
    shape.map((size, axis) => (reduced.has(axis) ? size : 1)),
  );
}

function reducedSize(shape: number[], axes: number | number[] | undefined): number {
  return tf.util
    .parseAxisParam(axes ?? shape.map((_, axis) => axis), shape)
    .reduce((n, axis) => n * (shape[axis] as number), 1);
}

/** Sums what broadcasting repeated. */
function unbroadcast(dy: Tensor, shape: number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(dy, axes) : dy, shape);
}

const convolution: LeanRule = ({ dy, input, inputShape, attrs }) => {
  const { strides, pad, dimRoundingMode } = attrs;
  const window = { strides, pad, dimRoundingMode, dataFormat: 'NHWC' };
  return {
    x: () => run('Conv2DBackpropInput', { dy, filter: input('filter') }, { ...window, inputShape: inputShape('x') }),
    filter: () => run('Conv2DBackpropFilter', { x: input('x'), dy }, { ...window, filterShape: inputShape('filter') }),
    bias: () => unbroadcast(dy, inputShape('bias')),
  };
};

const product: LeanRule = ({ dy, input, inputShape }) => ({
  a: () => tf.matMul(dy, input('b'), false, true),
  b: () => tf.matMul(input('a'), dy, true, false),
  bias: () => unbroadcast(dy, inputShape('bias')),
});

/** One kernel makes all three, on behalf of whoever asks first. */
const batchNorm: LeanRule = ({ dy, input, output, attrs }) => {
  let made: Tensor[] | undefined;
  const all = () =>
    (made ??= tf
      .engine()
      .runKernel<Tensor[]>(
        'BatchNormTrainingGrad',
        { dy, x: input('x'), gamma: input('gamma'), mean: output(1), variance: output(2) },
        { epsilon: attrs['epsilon'] as number },
      ));
  // y does not depend on the moving statistics; asked for where a layer is used twice, and pruned as zeros.
  const none = (name: string) => () => tf.zerosLike(input(name));
  return {
    x: () => all()[0] as Tensor,
    gamma: () => all()[1] as Tensor,
    beta: () => all()[2] as Tensor,
    movingMean: none('movingMean'),
    movingVariance: none('movingVariance'),
  };
};

/** Rules that keep or compute less than TensorFlow.js's own for the kernel of that name. */
export const leanRules: ReadonlyMap<string, LeanRule> = new Map<string, LeanRule>([
  ['BatchNormTraining', batchNorm],
  ['Relu', ({ dy, output }) => ({ x: () => run('ReluGrad', { dy, y: output() }) })],
  ['Relu6', ({ dy, output }) => ({ x: () => run('ReluGrad', { dy, y: output() }, { limit: 6 }) })],
  [
    'AvgPool',
    ({ dy, inputShape, attrs }) => ({ x: () => run('AvgPoolGrad', { dy }, { ...attrs, inputShape: inputShape('x') }) }),
  ],
  [
    'Sum',
    ({ dy, inputShape, attrs }) => ({
      x: () => spreadBack(dy, inputShape('x'), attrs['axis'] as number[] | undefined, 1),
    }),
  ],
  [
    'Mean',
    ({ dy, inputShape, attrs }) => {
      const axes = attrs['axis'] as number[] | undefined;
      return { x: () => spreadBack(dy, inputShape('x'), axes, 1 / reducedSize(inputShape('x'), axes)) };
    },
  ],
  [
    'SoftmaxCrossEntropy',
    ({ dy, input }) => ({
      logits: () => run('SoftmaxCrossEntropyGrad', { dy, logits: input('logits'), labels: input('labels') }),
    }),
  ],
]);

/** Rules for fused kernels, which TensorFlow.js differentiates with all gradients at once; without an activation only. */
export const fusedRules: ReadonlyMap<string, { rule: LeanRule; inputs: readonly string[] }> = new Map([
  ['FusedConv2D', { rule: convolution, inputs: ['x', 'filter', 'bias'] }],
  ['_FusedMatMul', { rule: product, inputs: ['a', 'b', 'bias'] }],
]);
