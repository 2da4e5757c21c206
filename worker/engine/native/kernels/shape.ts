import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import type { DType } from '../../../graph/graph.ts';
import { elementsOf } from '../../device.ts';
import { int, text, type } from '../attributes.ts';
import { input, inputList, type Kernel } from '../kernel.ts';

const identity: Kernel = (ops, inputs) => {
  const x = input(inputs, 'x');
  return ops.alias(x, x.shape);
};

const reshape: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  return ops.alias(x, util.inferFromImplicitShape(attrs['shape'] as number[], elementsOf(x.shape)));
};

const expandDims: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'input');
  const dim = attrs['dim'] as number;
  const at = dim < 0 ? x.shape.length + 1 + dim : dim;
  return ops.alias(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
};

const cast: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const dtype = attrs['dtype'] as DType;
  if (dtype === x.dtype) return ops.alias(x, x.shape);
  return ops.one('Cast', [x], { shape: x.shape, dtype }, { SrcT: type(x.dtype), DstT: type(dtype) });
};

const transpose: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const perm = attrs['perm'] as number[];
  const shape = perm.map((axis) => x.shape[axis] as number);
  return ops.one('Transpose', [x, ops.constant(perm, 'int32')], { shape, dtype: x.dtype });
};

const concat: Kernel = (ops, inputs, attrs) => {
  const tensors = inputList(inputs);
  const shapes = tensors.map((tensor) => [...tensor.shape]);
  const [axis] = util.parseAxisParam(attrs['axis'] as number, shapes[0] as number[]) as [number];
  const { dtype } = tensors[0] as (typeof tensors)[number];
  const out = { shape: backend_util.computeOutShape(shapes, axis), dtype };
  const attributes = { N: int(tensors.length), T: type(dtype) };
  return ops.one('ConcatV2', [...tensors, ops.constant(axis, 'int32')], out, attributes);
};

const pack: Kernel = (ops, inputs, attrs) => {
  const tensors = inputList(inputs);
  const { shape, dtype } = tensors[0] as (typeof tensors)[number];
  const given = attrs['axis'] as number;
  const axis = given < 0 ? shape.length + 1 + given : given;
  const out = { shape: [...shape.slice(0, axis), tensors.length, ...shape.slice(axis)], dtype };
  return ops.one('Pack', tensors, out, { N: int(tensors.length), T: type(dtype), axis: int(axis) });
};

const unpack: Kernel = (ops, inputs, attrs) => {
  const value = input(inputs, 'value');
  const given = attrs['axis'] as number;
  const axis = given < 0 ? value.shape.length + given : given;
  const count = value.shape[axis] as number;
  const out = { shape: value.shape.filter((_, index) => index !== axis), dtype: value.dtype };
  const outs = Array.from({ length: count }, () => out);
  return ops.run('Unpack', [value], outs, { num: int(count), axis: int(axis) }, []);
};

const split: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const [axis] = util.parseAxisParam(attrs['axis'] as number, [...x.shape]) as [number];
  const asTensor = { shape: [...x.shape] } as never;
  const sizes = backend_util.prepareSplitSize(asTensor, attrs['numOrSizeSplits'] as number[], axis);
  const outs = sizes.map((size) => ({ shape: x.shape.map((own, at) => (at === axis ? size : own)), dtype: x.dtype }));
  const parameters = [ops.constant(sizes, 'int32'), ops.constant(axis, 'int32')];
  return ops.run('SplitV', [x, ...parameters], outs, { num_split: int(sizes.length) }, []);
};

const slice: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const asTensor = { shape: [...x.shape], rank: x.shape.length } as never;
  const [begin, size] = slice_util.parseSliceParams(
    asTensor,
    attrs['begin'] as number[],
    attrs['size'] as number[],
  ) as [number[], number[]];
  const parameters = [begin, size].map((list) => ops.constant(list, 'int32'));
  return ops.one('Slice', [x, ...parameters], { shape: size, dtype: x.dtype });
};

const stridedSlice: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const [begin, end, strides] = [attrs['begin'], attrs['end'], attrs['strides']] as [number[], number[], number[]];
  const masks = ['beginMask', 'endMask', 'ellipsisMask', 'newAxisMask', 'shrinkAxisMask'].map(
    (name) => (attrs[name] as number | undefined) ?? 0,
  ) as [number, number, number, number, number];
  const { finalShape } = slice_util.sliceInfo([...x.shape], begin, end, strides, ...masks);
  const parameters = [begin, end, strides].map((list) => ops.constant(list, 'int32'));
  const names = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'];
  const attributes = Object.fromEntries(names.map((name, at) => [name, int(masks[at] as number)]));
  return ops.one('StridedSlice', [x, ...parameters], { shape: finalShape, dtype: x.dtype }, attributes);
};

const padded = (shape: readonly number[], paddings: readonly (readonly [number, number])[]) =>
  shape.map((size, axis) => size + (paddings[axis]?.[0] ?? 0) + (paddings[axis]?.[1] ?? 0));

const pad: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const paddings = attrs['paddings'] as [number, number][];
  const out = { shape: padded(x.shape, paddings), dtype: x.dtype };
  const amounts = ops.constant(paddings.flat(), 'int32', [paddings.length, 2]);
  return ops.one('PadV2', [x, amounts, ops.constant(attrs['constantValue'] as number, x.dtype)], out);
};

const mirrorPad: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const paddings = attrs['paddings'] as [number, number][];
  const out = { shape: padded(x.shape, paddings), dtype: x.dtype };
  const amounts = ops.constant(paddings.flat(), 'int32', [paddings.length, 2]);
  return ops.one('MirrorPad', [x, amounts], out, { mode: text((attrs['mode'] as string).toUpperCase()) });
};

const tile: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const reps = attrs['reps'] as number[];
  const shape = x.shape.map((size, axis) => size * (reps[axis] as number));
  return ops.one('Tile', [x, ops.constant(reps, 'int32')], { shape, dtype: x.dtype });
};

const reverse: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const axes = util.parseAxisParam(attrs['dims'] as number[], [...x.shape]);
  return ops.one('ReverseV2', [x, ops.constant(axes, 'int32')], x);
};

const fill: Kernel = (ops, _inputs, attrs) => {
  const shape = attrs['shape'] as number[];
  const dtype = (attrs['dtype'] as DType | undefined) ?? 'float32';
  return ops.one('Fill', [ops.constant(shape, 'int32'), ops.constant(attrs['value'] as number, dtype)], {
    shape,
    dtype,
  });
};

/** Kernels that move elements and compute nothing. */
export const shapes: ReadonlyMap<string, Kernel> = new Map([
  ['Cast', cast],
  ['Concat', concat],
  ['ExpandDims', expandDims],
  ['Fill', fill],
  ['Identity', identity],
  ['MirrorPad', mirrorPad],
  ['Pack', pack],
  ['PadV2', pad],
  ['Reshape', reshape],
  ['Reverse', reverse],
  ['Slice', slice],
  ['SplitV', split],
  ['StridedSlice', stridedSlice],
  ['Tile', tile],
  ['Transpose', transpose],
  ['Unpack', unpack],
]);
