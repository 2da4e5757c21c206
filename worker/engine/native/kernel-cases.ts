import type { DType } from '../../graph/graph.ts';

/** A tensor of random numbers from `from` to `to`, rounded down where the type is not float32. */
export interface Operand {
  shape: number[];
  dtype?: DType;
  from?: number;
  to?: number;
  values?: number[];
}

export interface KernelCase {
  kernel: string;
  what?: string;
  inputs: Readonly<Record<string, Operand | Operand[]>>;
  attrs?: Readonly<Record<string, unknown>>;
}

const t = (...shape: number[]): Operand => ({ shape });
const positive = (...shape: number[]): Operand => ({ shape, from: 0.2, to: 2 });
const whole = (to: number, ...shape: number[]): Operand => ({ shape, dtype: 'int32', from: 0, to });
const truth = (...shape: number[]): Operand => ({ shape, dtype: 'bool', from: 0, to: 2 });

const window = (strides: number, pad: unknown) => ({ strides, pad, dataFormat: 'NHWC', dilations: 1 });
const pooling = (filterSize: number, strides: number, pad: string) => ({ filterSize, strides, pad });

const split = (names: string) => names.trim().split(/\s+/);

const elementwise: KernelCase[] = [
  ...split(
    'Abs Asin Asinh Atan Atanh Acos Ceil Cos Cosh Elu Erf Exp Expm1 Floor Neg Relu Relu6 Round Selu Sigmoid Sign Sin Sinh Softplus Square Tan Tanh IsFinite IsInf IsNan',
  ).map((kernel) => ({ kernel, inputs: { x: t(3, 5) } })),
  ...split('Acosh Log Log1p Reciprocal Rsqrt Sqrt').map((kernel) => ({
    kernel,
    inputs: { x: { shape: [3, 5], from: 1.1, to: 3 } },
  })),
  ...split(
    'Add Multiply Sub Maximum Minimum SquaredDifference Atan2 Equal NotEqual Greater GreaterEqual Less LessEqual',
  ).map((kernel) => ({ kernel, what: 'with broadcasting', inputs: { a: t(2, 3, 4), b: t(3, 1) } })),
  ...split('RealDiv Pow Mod FloorDiv').map((kernel) => ({ kernel, inputs: { a: positive(3, 4), b: positive(4) } })),
  ...split('LogicalAnd LogicalOr LogicalXor').map((kernel) => ({ kernel, inputs: { a: truth(3, 4), b: truth(3, 4) } })),
  { kernel: 'Add', what: 'of integers', inputs: { a: whole(9, 6), b: whole(9, 6) } },
  { kernel: 'LogicalNot', inputs: { x: truth(7) } },
  { kernel: 'AddN', inputs: { tensors: [t(3, 4), t(3, 4), t(3, 4)] } },
  { kernel: 'ClipByValue', inputs: { x: t(9) }, attrs: { clipValueMin: -0.3, clipValueMax: 0.4 } },
  { kernel: 'LeakyRelu', inputs: { x: t(9) }, attrs: { alpha: 0.3 } },
  { kernel: 'Prelu', inputs: { x: t(3, 4), alpha: t(3, 4) } },
  { kernel: 'Step', inputs: { x: t(9) }, attrs: { alpha: 0 } },
  { kernel: 'Step', what: 'with a slope', inputs: { x: t(9) }, attrs: { alpha: 0.3 } },
  { kernel: 'EluGrad', inputs: { dy: t(9), y: t(9) } },
  { kernel: 'ReluGrad', inputs: { dy: t(9), y: t(9) } },
  { kernel: 'ReluGrad', what: 'of two paths', inputs: { dy: t(3, 6), y: t(3, 6), dy2: t(3, 6) } },
  {
    kernel: 'ReluGrad',
    what: 'of Relu6',
    inputs: { dy: t(20), y: { shape: [20], from: -3, to: 9 } },
    attrs: { limit: 6 },
  },
  { kernel: 'Select', inputs: { condition: truth(3, 4), t: t(3, 4), e: t(3, 4) } },
];

const filters: KernelCase[] = [
  ...[window(1, 'same'), window(2, 'same'), window(1, 'valid'), window(2, 1)].flatMap((attrs): KernelCase[] => {
    const out = { same: attrs.strides === 1 ? 7 : 4, valid: 5, 1: 4 }[attrs.pad as 'same' | 'valid' | 1];
    const what = `strides ${attrs.strides}, pad ${String(attrs.pad)}`;
    const [x, dy, filter] = [t(2, 7, 7, 3), t(2, out, out, 4), t(3, 3, 3, 4)];
    return [
      { kernel: 'Conv2D', what, inputs: { x, filter }, attrs },
      { kernel: 'Conv2DBackpropFilter', what, inputs: { x, dy }, attrs: { ...attrs, filterShape: filter.shape } },
      { kernel: 'Conv2DBackpropInput', what, inputs: { dy, filter }, attrs: { ...attrs, inputShape: x.shape } },
    ];
  }),
  ...['linear', 'relu', 'relu6', 'elu', 'sigmoid'].map((activation) => ({
    kernel: 'FusedConv2D',
    what: activation,
    inputs: { x: t(2, 7, 7, 3), filter: t(3, 3, 3, 4), bias: t(4) },
    attrs: { ...window(1, 'same'), activation },
  })),
  {
    kernel: 'FusedConv2D',
    what: 'prelu',
    inputs: { x: t(2, 7, 7, 3), filter: t(3, 3, 3, 4), bias: t(4), preluActivationWeights: t(4) },
    attrs: { ...window(1, 'same'), activation: 'prelu' },
  },
  ...[window(1, 'same'), window(2, 'valid')].flatMap((attrs): KernelCase[] => {
    const out = attrs.pad === 'same' ? 7 : 3;
    const [x, dy, filter] = [t(2, 7, 7, 3), t(2, out, out, 6), t(3, 3, 3, 2)];
    const what = `pad ${String(attrs.pad)}`;
    const name = 'DepthwiseConv2dNative';
    return [
      { kernel: name, what, inputs: { x, filter }, attrs },
      {
        kernel: 'FusedDepthwiseConv2D',
        what,
        inputs: { x, filter, bias: t(6) },
        attrs: { ...attrs, activation: 'relu' },
      },
      { kernel: `${name}BackpropFilter`, what, inputs: { x, dy }, attrs: { ...attrs, filterShape: filter.shape } },
      { kernel: `${name}BackpropInput`, what, inputs: { dy, filter }, attrs: { ...attrs, inputShape: x.shape } },
    ];
  }),
];

/** Convolutions for kernels of our own on a CPU, and the next larger ones, which are TensorFlow's. */
const fewChannels: KernelCase[] = [
  { x: [19, 9, 11, 1], filter: [5, 5, 1, 8], strides: 1, pad: 'same' },
  { x: [3, 28, 28, 1], filter: [5, 5, 1, 6], strides: 1, pad: 'valid' },
  { x: [5, 12, 20, 1], filter: [4, 3, 1, 33], strides: 1, pad: 'same' },
  { x: [5, 9, 9, 2], filter: [4, 4, 2, 16], strides: 1, pad: 'same' },
  { x: [33, 14, 14, 8], filter: [5, 5, 8, 16], strides: 1, pad: 'same' },
  { x: [2, 17, 15, 3], filter: [3, 3, 3, 21], strides: 2, pad: 'same' },
  { x: [2, 9, 9, 1], filter: [3, 3, 1, 5], strides: 2, pad: 'valid' },
  { x: [2, 5, 5, 6], filter: [1, 1, 6, 8], strides: 1, pad: 'valid' },
  { x: [2, 9, 9, 24], filter: [3, 3, 24, 24], strides: 1, pad: 'same' },
  { x: [1, 129, 128, 1], filter: [3, 3, 1, 2], strides: 1, pad: 'same' },
].flatMap(({ x, filter, strides, pad }): KernelCase[] => {
  const attrs = window(strides, pad);
  const [height, width] = [0, 1].map((axis) => {
    const free = pad === 'same' ? x[1 + axis]! : x[1 + axis]! - filter[axis]! + 1;
    return Math.ceil(free / strides);
  }) as [number, number];
  const y = [x[0]!, height, width, filter[3]!];
  const what = `of ${x.join(' × ')} with ${filter.join(' × ')}, strides ${strides}, ${pad}`;
  const [pictures, weights, dy] = [x, filter, y].map((shape) => t(...shape)) as [Operand, Operand, Operand];
  return [
    { kernel: 'Conv2D', what, inputs: { x: pictures, filter: weights }, attrs },
    ...['relu', 'linear', 'elu'].map((activation) => ({
      kernel: 'FusedConv2D',
      what: `${what}, ${activation}`,
      inputs: { x: pictures, filter: weights, bias: t(filter[3]!) },
      attrs: { ...attrs, activation },
    })),
    { kernel: 'Conv2DBackpropFilter', what, inputs: { x: pictures, dy }, attrs: { ...attrs, filterShape: filter } },
    { kernel: 'Conv2DBackpropInput', what, inputs: { dy, filter: weights }, attrs: { ...attrs, inputShape: x } },
  ];
});

const pools: KernelCase[] = [
  { attrs: pooling(2, 2, 'same'), size: 6, out: 3 },
  { attrs: pooling(2, 2, 'same'), size: 5, out: 3 },
  { attrs: pooling(3, 2, 'same'), size: 7, out: 4 },
  { attrs: pooling(3, 1, 'valid'), size: 7, out: 5 },
  { attrs: pooling(3, 2, 'same'), size: 7, out: 4, channels: 8 },
  { attrs: pooling(3, 2, 'same'), size: 8, out: 4, channels: 8 },
  { attrs: pooling(3, 2, 'valid'), size: 8, out: 3, channels: 4 },
].flatMap(({ attrs, size, out, channels = 3 }): KernelCase[] => {
  const [x, y] = [t(2, size, size, channels), t(2, out, out, channels)];
  const what = `${attrs.filterSize} × ${attrs.filterSize} of ${size} × ${channels}, ${attrs.pad}`;
  // Windows of equal elements, positive and negative: the first one counts.
  const steps = { ...x, values: Array.from({ length: 1024 }, (_, i) => Math.round(Math.sin(i * i) * 1.5)) };
  return [
    { kernel: 'MaxPool', what, inputs: { x }, attrs },
    { kernel: 'AvgPool', what, inputs: { x }, attrs },
    { kernel: 'MaxPoolGrad', what, inputs: { dy: y, input: steps, output: y }, attrs },
    { kernel: 'MaxPoolReluGrad', what, inputs: { dy: y, input: steps, output: y }, attrs },
    { kernel: 'AvgPoolGrad', what, inputs: { dy: y }, attrs: { ...attrs, inputShape: x.shape } },
  ];
});

/** Large enough to be divided among threads. */
const largePools: KernelCase[] = [
  { attrs: pooling(2, 2, 'valid'), out: 24 },
  { attrs: pooling(3, 2, 'valid'), out: 23 },
  { attrs: pooling(3, 1, 'same'), out: 48 },
].flatMap(({ attrs, out }): KernelCase[] => {
  const [x, y] = [t(5, 48, 48, 9), t(5, out, out, 9)];
  const what = `${attrs.filterSize} × ${attrs.filterSize} with stride ${attrs.strides} of ${x.shape.join(' × ')}`;
  return [
    { kernel: 'MaxPool', what, inputs: { x }, attrs },
    { kernel: 'MaxPoolGrad', what, inputs: { dy: y, input: x, output: y }, attrs },
  ];
});

const products: KernelCase[] = [
  ...[false, true].flatMap((transposeA) =>
    [false, true].map(
      (transposeB): KernelCase => ({
        kernel: 'BatchMatMul',
        what: `transposed ${transposeA}, ${transposeB}`,
        inputs: { a: transposeA ? t(5, 4) : t(4, 5), b: transposeB ? t(6, 5) : t(5, 6) },
        attrs: { transposeA, transposeB },
      }),
    ),
  ),
  { kernel: 'BatchMatMul', what: 'of batches', inputs: { a: t(3, 4, 5), b: t(3, 5, 6) }, attrs: {} },
  { kernel: 'BatchMatMul', what: 'of one batch', inputs: { a: t(1, 4, 5), b: t(1, 5, 6) }, attrs: {} },
  ...['linear', 'relu', 'sigmoid'].map((activation) => ({
    kernel: '_FusedMatMul',
    what: activation,
    inputs: { a: t(4, 5), b: t(5, 6), bias: t(6) },
    attrs: { transposeA: false, transposeB: false, activation },
  })),
];

const reductions: KernelCase[] = [
  ...split('Sum Mean Min Prod').flatMap((kernel) =>
    [{ axis: [0, 1] }, { axis: [1], keepDims: true }, { axis: [2] }, { axis: [0, 1, 2] }].map((attrs) => ({
      kernel,
      what: `over ${attrs.axis.join()}`,
      inputs: { x: t(3, 4, 5) },
      attrs: { keepDims: false, ...attrs },
    })),
  ),
  ...[t(4, 60, 60, 7), t(7, 300), t(200_000, 1), t(0, 5)].map((x) => ({
    kernel: 'Sum',
    what: `of all rows of ${x.shape.join(' × ')}`,
    inputs: { x },
    attrs: { axis: [...x.shape.keys()].slice(0, -1), keepDims: false },
  })),
  { kernel: 'Max', inputs: { x: t(3, 4, 5) }, attrs: { reductionIndices: [1, 2], keepDims: false } },
  ...split('All Any').map((kernel) => ({ kernel, inputs: { x: truth(3, 2) }, attrs: { axis: [1], keepDims: false } })),
  ...split('ArgMax ArgMin').map((kernel) => ({ kernel, inputs: { x: t(3, 5) }, attrs: { axis: 1 } })),
];

const shapes: KernelCase[] = [
  { kernel: 'Cast', inputs: { x: { shape: [9], from: -3, to: 3 } }, attrs: { dtype: 'int32' } },
  { kernel: 'Cast', what: 'of truth', inputs: { x: truth(9) }, attrs: { dtype: 'float32' } },
  { kernel: 'Cast', what: 'to the same', inputs: { x: t(9) }, attrs: { dtype: 'float32' } },
  { kernel: 'Concat', inputs: { tensors: [t(2, 3), t(2, 1), t(2, 2)] }, attrs: { axis: 1 } },
  { kernel: 'ExpandDims', inputs: { input: t(3, 4) }, attrs: { dim: 1 } },
  { kernel: 'Fill', inputs: {}, attrs: { shape: [3, 4], value: 1.5, dtype: 'float32' } },
  { kernel: 'Identity', inputs: { x: t(3) } },
  {
    kernel: 'MirrorPad',
    inputs: { x: t(3, 4) },
    attrs: {
      paddings: [
        [1, 1],
        [0, 2],
      ],
      mode: 'reflect',
    },
  },
  { kernel: 'Pack', inputs: { tensors: [t(2, 3), t(2, 3)] }, attrs: { axis: 1 } },
  {
    kernel: 'PadV2',
    inputs: { x: t(3, 4) },
    attrs: {
      paddings: [
        [1, 1],
        [0, 2],
      ],
      constantValue: 7,
    },
  },
  { kernel: 'Reshape', inputs: { x: t(3, 4) }, attrs: { shape: [2, -1] } },
  { kernel: 'Reverse', inputs: { x: t(3, 4) }, attrs: { dims: [1] } },
  { kernel: 'Slice', what: 'of rows', inputs: { x: t(4, 3) }, attrs: { begin: [1, 0], size: [2, -1] } },
  { kernel: 'SplitV', inputs: { x: t(4, 5) }, attrs: { numOrSizeSplits: [2, 3], axis: 1 } },
  {
    kernel: 'StridedSlice',
    inputs: { x: t(6, 5) },
    attrs: {
      begin: [1, 0],
      end: [6, 5],
      strides: [2, 2],
      beginMask: 0,
      endMask: 0,
      ellipsisMask: 0,
      newAxisMask: 0,
      shrinkAxisMask: 0,
    },
  },
  { kernel: 'Tile', inputs: { x: t(3, 4) }, attrs: { reps: [2, 3] } },
  { kernel: 'Transpose', inputs: { x: t(3, 4, 5) }, attrs: { perm: [2, 0, 1] } },
  { kernel: 'Unpack', inputs: { value: t(3, 4) }, attrs: { axis: 0 } },
];

const indices: Operand = { shape: [4, 1], dtype: 'int32', values: [4, 1, 3, 0] };

const gathers: KernelCase[] = [
  { kernel: 'Cumsum', inputs: { x: t(3, 5) }, attrs: { axis: 1, exclusive: true, reverse: false } },
  { kernel: 'Cumprod', inputs: { x: t(3, 5) }, attrs: { axis: 1, exclusive: false, reverse: false } },
  { kernel: 'GatherNd', inputs: { params: t(5, 3), indices } },
  { kernel: 'GatherV2', inputs: { x: t(5, 3), indices: whole(5, 2, 4) }, attrs: { axis: 0, batchDims: 0 } },
  {
    kernel: 'OneHot',
    inputs: { indices: whole(5, 6) },
    attrs: { depth: 5, onValue: 1, offValue: 0, dtype: 'int32' },
  },
  { kernel: 'Range', inputs: {}, attrs: { start: 1, stop: 8, step: 2, dtype: 'float32' } },
  { kernel: 'ScatterNd', inputs: { indices, updates: t(4, 3) }, attrs: { shape: [5, 3] } },
  { kernel: 'TopK', inputs: { x: t(3, 6) }, attrs: { k: 2, sorted: true } },
  { kernel: 'UnsortedSegmentSum', inputs: { x: t(6, 3), segmentIds: whole(4, 6) }, attrs: { numSegments: 4 } },
];

const statistics = { mean: t(3), variance: positive(3), scale: t(3), offset: t(3) };
const batchNorms = [t(2, 4, 4, 3), t(7, 3)].flatMap((x): KernelCase[] => [
  {
    kernel: 'BatchNormTraining',
    what: `of ${x.shape.length} axes`,
    inputs: { x, gamma: positive(3), beta: t(3), movingMean: t(3), movingVariance: positive(3) },
    attrs: { epsilon: 1e-3, momentum: 0.9 },
  },
  {
    kernel: 'BatchNormTraining',
    what: `of ${x.shape.length} axes, rectified`,
    inputs: { x, gamma: positive(3), beta: t(3), movingMean: t(3), movingVariance: positive(3) },
    attrs: { epsilon: 1e-3, momentum: 0.9, activation: 'relu' },
  },
  ...['linear', 'relu'].map((activation) => ({
    kernel: 'BatchNormTraining',
    what: `of ${x.shape.length} axes with a shortcut, then ${activation}`,
    inputs: { x, gamma: positive(3), beta: t(3), movingMean: t(3), movingVariance: positive(3), residual: x },
    attrs: { epsilon: 1e-3, momentum: 0.9, activation },
  })),
  {
    kernel: 'BatchNormTrainingGrad',
    what: `of ${x.shape.length} axes`,
    inputs: { dy: x, x, gamma: positive(3), mean: t(3), variance: positive(3) },
    attrs: { epsilon: 1e-3 },
  },
]);
/** Numbers and what local response normalisation makes of them: some gradients read the one, some the other. */
function responses(shape: [number, number, number, number]): { x: Operand; y: Operand } {
  const { depthRadius, bias, alpha, beta } = response;
  const channels = shape[3];
  const x = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.fround(Math.sin(7 * i)));
  const y = x.map((value, at) => {
    const [row, c] = [at - (at % channels), at % channels];
    const near = x.slice(row + Math.max(0, c - depthRadius), row + Math.min(channels, c + depthRadius + 1));
    return value * (bias + alpha * near.reduce((sum, other) => sum + other * other, 0)) ** -beta;
  });
  return { x: { shape, values: x }, y: { shape, values: y } };
}

const response = { depthRadius: 2, bias: 1, alpha: 0.5, beta: 0.75 };
const sampling = { alignCorners: false, halfPixelCenters: true, size: [7, 5] };

const layers: KernelCase[] = [
  { kernel: 'Softmax', inputs: { logits: t(3, 5) }, attrs: { dim: 1 } },
  ...[whole(5, 3), positive(3, 5)].flatMap((labels): KernelCase[] => [
    { kernel: 'SoftmaxCrossEntropy', inputs: { logits: t(3, 5), labels } },
    { kernel: 'SoftmaxCrossEntropyGrad', inputs: { dy: t(), logits: t(3, 5), labels } },
  ]),
  { kernel: 'FusedBatchNorm', inputs: { x: t(2, 4, 4, 3), ...statistics }, attrs: { varianceEpsilon: 1e-3 } },
  ...batchNorms,
  { kernel: 'LRN', inputs: { x: t(2, 3, 3, 6) }, attrs: response },
  { kernel: 'LRNGrad', inputs: { ...responses([2, 3, 3, 6]), dy: t(2, 3, 3, 6) }, attrs: response },
  { kernel: 'ResizeBilinear', inputs: { images: t(2, 4, 4, 3) }, attrs: sampling },
  {
    kernel: 'ResizeBilinearGrad',
    inputs: { images: t(2, 4, 4, 3), dy: t(2, 7, 5, 3) },
    attrs: { alignCorners: false },
  },
  {
    kernel: 'ResizeNearestNeighbor',
    inputs: { images: t(2, 4, 4, 3) },
    attrs: { ...sampling, halfPixelCenters: false },
  },
  {
    kernel: 'ResizeNearestNeighborGrad',
    inputs: { images: t(2, 4, 4, 3), dy: t(2, 8, 8, 3) },
    attrs: { alignCorners: false },
  },
  {
    kernel: 'SpaceToBatchND',
    inputs: { x: t(2, 4, 4, 3) },
    attrs: {
      blockShape: [2, 2],
      paddings: [
        [0, 0],
        [0, 0],
      ],
    },
  },
  {
    kernel: 'BatchToSpaceND',
    inputs: { x: t(8, 2, 2, 3) },
    attrs: {
      blockShape: [2, 2],
      crops: [
        [0, 0],
        [0, 0],
      ],
    },
  },
  { kernel: 'DepthToSpace', inputs: { x: t(2, 2, 2, 8) }, attrs: { blockSize: 2, dataFormat: 'NHWC' } },
];

/** Every kernel of the native engine, with operands of all kinds. */
export const cases: readonly KernelCase[] = [
  ...elementwise,
  ...filters,
  ...fewChannels,
  ...pools,
  ...largePools,
  ...products,
  ...reductions,
  ...shapes,
  ...gathers,
  ...layers,
];
