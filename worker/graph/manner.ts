import type { Format } from './format.ts';
import { orderOf } from './format.ts';
import { type Graph, inputsOf, type Node, type Value, type ValueId } from './graph.ts';

/** How a node takes tensors of four axes. */
export type Manner =
  /** Pictures and filters in the formats of convolutions. */
  | 'convolution'
  /** Pictures in any format of pictures, all in the same; makes the same. */
  | 'pooling'
  /** Any format, all in the same; makes the same. */
  | 'elementwise'
  /** Any format that leaves what remains in its order. */
  | 'reduction'
  | 'plain';

type Values = Pick<Graph, 'values'>;

/** How `node` of `graph` takes its inputs. */
export function mannerOf(graph: Values, node: Node): Manner {
  if (convolutions.has(node.kernel)) return isLaidOut(graph, node) ? 'convolution' : 'plain';
  if (poolings.has(node.kernel)) return 'pooling';
  if (elementwise.has(node.kernel)) return isEven(graph, node) ? 'elementwise' : 'plain';
  const isReduction = (node.kernel === 'Sum' || node.kernel === 'Mean') && node.attrs['keepDims'] !== true;
  return isReduction ? 'reduction' : 'plain';
}

/** What a convolution takes by the name of an input. */
export function convolutionInput(name: string): 'filter' | 'picture' | 'plain' {
  if (name === 'filter') return 'filter';
  return name === 'x' || name === 'dy' ? 'picture' : 'plain';
}

/** What a convolution makes. */
export function convolutionOutput({ kernel }: Node): 'filter' | 'picture' {
  return kernel === 'Conv2DBackpropFilter' ? 'filter' : 'picture';
}

/** Whether a value has an order to speak of: four axes and more than one element. */
export function isOrdered({ shape }: Pick<Value, 'shape'>): boolean {
  return shape.length === 4 && shape.some((size) => size > 1);
}

/** Places of a reduction's axes in a tensor stored in `format`; undefined where what remains would change its order. */
export function reducedPlaces(attrs: Node['attrs'], format: Format): number[] | undefined {
  const given = attrs['axis'] as number | readonly number[] | undefined;
  const axes = given === undefined ? [0, 1, 2, 3] : [given].flat().map((axis) => (axis + 4) % 4);
  const order = orderOf(format, 4);
  const left = order.filter((axis) => !axes.includes(axis));
  if (left.some((axis, at) => at > 0 && axis < (left[at - 1] as number))) return undefined;
  return axes.map((axis) => order.indexOf(axis)).sort((a, b) => a - b);
}

const convolutions = new Set(['Conv2D', 'FusedConv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter']);
const poolings = new Set(['MaxPool', 'MaxPoolGrad', 'MaxPoolReluGrad']);

/** Kernels of one input `x` alone, from which every element of the output is computed by itself. */
export const unaryKernels: readonly string[] =
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor Log Log1p LogicalNot Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh'.split(
    ' ',
  );

/** Kernels that compute every element by itself. */
const elementwise = new Set([
  ...unaryKernels,
  ...'IsFinite IsInf IsNan Cast ClipByValue LeakyRelu Step'.split(' '),
  ...'Add AddN Atan2 FloorDiv Maximum Minimum Mod Multiply Pow RealDiv SquaredDifference Sub'.split(' '),
  ...'Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalXor NotEqual'.split(' '),
  ...'EluGrad Prelu ReluGrad Select'.split(' '),
]);

const valueOf = (graph: Values, id: ValueId) => graph.values[id] as Value;

/** Of float32 numbers, and with a bias that is one number a channel, if any. */
function isLaidOut(graph: Values, { inputs }: Node): boolean {
  return Object.entries(inputs).every(([name, ids]) => {
    const { shape, dtype } = valueOf(graph, ids as ValueId);
    return dtype === 'float32' && shape.length === (name === 'bias' ? 1 : 4);
  });
}

/** Every operand is one number or of the result's shape, of four axes, so that nothing is spread over an axis. */
function isEven(graph: Values, node: Node): boolean {
  const [output] = node.outputs.map((id) => valueOf(graph, id));
  if (output === undefined || output.aliasOf !== undefined || !isOrdered(output)) return false;
  return inputsOf(node).every((id) => {
    const { shape } = valueOf(graph, id);
    return shape.every((size) => size === 1) || shape.join() === output.shape.join();
  });
}
