import { bool, int } from '../attributes.ts';
import { input, type Kernel } from '../kernel.ts';
import type { Ops, Tensor } from '../ops.ts';

const softmax: Kernel = (ops, inputs) => {
  const logits = input(inputs, 'logits');
  return ops.one('Softmax', [logits], logits);
};

/** Loss of each row and its gradient for the logits: labels are class indices (int32) or rows of weights (float32). */
function crossEntropy(ops: Ops, logits: Tensor, labels: Tensor): [Tensor, Tensor] {
  const rows = { shape: logits.shape.slice(0, 1), dtype: logits.dtype };
  const op = labels.dtype === 'int32' ? 'SparseSoftmaxCrossEntropyWithLogits' : 'SoftmaxCrossEntropyWithLogits';
  return ops.run(op, [logits, labels], [rows, logits], {}, []) as [Tensor, Tensor];
}

/** Rows of weights; where labels are class indices, rows that are to be released. */
function weightsOf(ops: Ops, logits: Tensor, labels: Tensor): Tensor {
  if (labels.dtype !== 'int32') return labels;
  const [classes, one, zero] = [
    ops.constant(logits.shape[1] as number, 'int32'),
    ops.constant(1, 'float32'),
    ops.constant(0, 'float32'),
  ];
  return ops.one('OneHot', [labels, classes, one, zero], logits, { axis: int(-1) });
}

/** Loss of each row, out of ops that give the same bits in every run. */
function composedLosses(ops: Ops, logits: Tensor, labels: Tensor): Tensor {
  const weights = weightsOf(ops, logits, labels);
  const logarithms = ops.one('LogSoftmax', [logits], logits);
  const products = ops.one('Mul', [logarithms, weights], logits, {}, [logarithms]);
  if (weights !== labels) ops.release(weights);
  const rows = { shape: logits.shape.slice(0, 1), dtype: logits.dtype };
  const sums = ops.one('Sum', [products, ops.constant([1], 'int32')], rows, {}, [products]);
  return ops.one('Neg', [sums], sums, {}, [sums]);
}

function lossesOf(ops: Ops, logits: Tensor, labels: Tensor): Tensor {
  if (ops.deterministic) return composedLosses(ops, logits, labels);
  const [losses, gradient] = crossEntropy(ops, logits, labels);
  ops.release(gradient);
  return losses;
}

/** Mean over the rows. */
const softmaxCrossEntropy: Kernel = (ops, inputs) => {
  const [logits, labels] = [input(inputs, 'logits'), input(inputs, 'labels')];
  const own = ops.crossEntropy(logits, labels);
  if (own !== undefined) return own;
  const losses = lossesOf(ops, logits, labels);
  return ops.one('Mean', [losses, ops.constant([0], 'int32')], { shape: [], dtype: logits.dtype }, {}, [losses]);
};

const softmaxCrossEntropyGrad: Kernel = (ops, inputs) => {
  const [dy, logits, labels] = [input(inputs, 'dy'), input(inputs, 'logits'), input(inputs, 'labels')];
  const own = ops.crossEntropyGrad(dy, logits, labels);
  if (own !== undefined) return own;
  const scale = ops.one('Mul', [dy, ops.constant(1 / (logits.shape[0] as number), 'float32')], dy);
  const gradient = labels.dtype === 'int32' ? sparseGradient(ops, logits, labels) : denseGradient(ops, logits, labels);
  const out = ops.one('Mul', [gradient, scale], logits, {}, [gradient]);
  ops.release(scale);
  return out;
};

function sparseGradient(ops: Ops, logits: Tensor, labels: Tensor): Tensor {
  if (ops.deterministic) {
    const weights = weightsOf(ops, logits, labels);
    const gradient = denseGradient(ops, logits, weights);
    ops.release(weights);
    return gradient;
  }
  const [losses, gradient] = crossEntropy(ops, logits, labels);
  ops.release(losses);
  return gradient;
}

/** TensorFlow's own gradient takes for granted that the labels of a row sum to 1; this one does not. */
function denseGradient(ops: Ops, logits: Tensor, labels: Tensor): Tensor {
  const masses = { shape: [logits.shape[0] as number, 1], dtype: logits.dtype };
  const mass = ops.one('Sum', [labels, ops.constant([1], 'int32')], masses, { keep_dims: bool(true) });
  const probabilities = ops.one('Softmax', [logits], logits);
  const expected = ops.one('Mul', [probabilities, mass], logits, {}, [probabilities]);
  ops.release(mass);
  return ops.one('Sub', [expected, labels], logits, {}, [expected]);
}

export const losses: ReadonlyMap<string, Kernel> = new Map([
  ['Softmax', softmax],
  ['SoftmaxCrossEntropy', softmaxCrossEntropy],
  ['SoftmaxCrossEntropyGrad', softmaxCrossEntropyGrad],
]);
