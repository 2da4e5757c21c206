import { util } from '@tensorflow/tfjs-core';
import type { DType } from '../../../graph/graph.ts';
import { bool, int, type } from '../attributes.ts';
import { input, type Kernel } from '../kernel.ts';

const gather: Kernel = (ops, inputs, attrs) => {
  const [x, indices] = [input(inputs, 'x'), input(inputs, 'indices')];
  const [axis] = util.parseAxisParam(attrs['axis'] as number, [...x.shape]) as [number];
  const batchDims = (attrs['batchDims'] as number | undefined) ?? 0;
  const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
  const out = { shape, dtype: x.dtype };
  return ops.one('GatherV2', [x, indices, ops.constant(axis, 'int32')], out, { batch_dims: int(batchDims) });
};

const gatherNd: Kernel = (ops, inputs) => {
  const [params, indices] = [input(inputs, 'params'), input(inputs, 'indices')];
  const depth = indices.shape.at(-1) as number;
  const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
  return ops.one('GatherNd', [params, indices], { shape, dtype: params.dtype });
};

const scatterNd: Kernel = (ops, inputs, attrs) => {
  const [indices, updates] = [input(inputs, 'indices'), input(inputs, 'updates')];
  const shape = attrs['shape'] as number[];
  return ops.one('ScatterNd', [indices, updates, ops.constant(shape, 'int32')], { shape, dtype: updates.dtype });
};

const segmentSum: Kernel = (ops, inputs, attrs) => {
  const [x, ids] = [input(inputs, 'x'), input(inputs, 'segmentIds')];
  const segments = attrs['numSegments'] as number;
  const shape = [segments, ...x.shape.slice(ids.shape.length)];
  return ops.one('UnsortedSegmentSum', [x, ids, ops.constant(segments, 'int32')], { shape, dtype: x.dtype });
};

const oneHot: Kernel = (ops, inputs, attrs) => {
  const indices = input(inputs, 'indices');
  const depth = attrs['depth'] as number;
  const dtype = (attrs['dtype'] as DType | undefined) ?? 'float32';
  const values = [attrs['onValue'], attrs['offValue']].map((value) => ops.constant(value as number, dtype));
  const out = { shape: [...indices.shape, depth], dtype };
  return ops.one('OneHot', [indices, ops.constant(depth, 'int32'), ...values], out);
};

const cumulative =
  (op: string): Kernel =>
  (ops, inputs, attrs) => {
    const x = input(inputs, 'x');
    const [axis] = util.parseAxisParam(attrs['axis'] as number, [...x.shape]) as [number];
    const attributes = { exclusive: bool(attrs['exclusive']), reverse: bool(attrs['reverse']) };
    return ops.one(op, [x, ops.constant(axis, 'int32')], x, attributes);
  };

const topK: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const k = attrs['k'] as number;
  const shape = [...x.shape.slice(0, -1), k];
  const outs = [
    { shape, dtype: x.dtype },
    { shape, dtype: 'int32' as const },
  ];
  const attributes = { sorted: bool(attrs['sorted']), index_type: type('int32') };
  return ops.run('TopKV2', [x, ops.constant(k, 'int32')], outs, attributes, []);
};

/** Numbers that the attributes alone decide. */
const range: Kernel = (ops, _inputs, attrs) => {
  const [start, stop, step] = [attrs['start'], attrs['stop'], attrs['step']] as [number, number, number];
  const dtype = (attrs['dtype'] as DType | undefined) ?? 'float32';
  const length = Math.max(0, Math.ceil((stop - start) / step));
  const at = (_: unknown, index: number) => start + index * step;
  const data = dtype === 'int32' ? Int32Array.from({ length }, at) : Float32Array.from({ length }, at);
  return ops.upload(data, { shape: [length], dtype });
};

/** Kernels that find elements by index, or spread them. */
export const gathers: ReadonlyMap<string, Kernel> = new Map([
  ['Cumprod', cumulative('Cumprod')],
  ['Cumsum', cumulative('Cumsum')],
  ['GatherNd', gatherNd],
  ['GatherV2', gather],
  ['OneHot', oneHot],
  ['Range', range],
  ['ScatterNd', scatterNd],
  ['TopK', topK],
  ['UnsortedSegmentSum', segmentSum],
]);
