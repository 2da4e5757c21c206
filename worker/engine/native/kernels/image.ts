import { bool, int, text } from '../attributes.ts';
import { input, type Kernel } from '../kernel.ts';

const resize =
  (op: string): Kernel =>
  (ops, inputs, attrs) => {
    const images = input(inputs, 'images');
    const size = attrs['size'] as [number, number];
    const shape = [images.shape[0] as number, ...size, images.shape[3] as number];
    const sampling = {
      align_corners: bool(attrs['alignCorners']),
      half_pixel_centers: bool(attrs['halfPixelCenters']),
    };
    return ops.one(op, [images, ops.constant(size, 'int32')], { shape, dtype: 'float32' }, sampling);
  };

const bilinearGrad: Kernel = (ops, inputs, attrs) => {
  const [images, dy] = [input(inputs, 'images'), input(inputs, 'dy')];
  return ops.one('ResizeBilinearGrad', [dy, images], images, { align_corners: bool(attrs['alignCorners']) });
};

const nearestGrad: Kernel = (ops, inputs, attrs) => {
  const [images, dy] = [input(inputs, 'images'), input(inputs, 'dy')];
  const size = ops.constant(images.shape.slice(1, 3), 'int32');
  return ops.one('ResizeNearestNeighborGrad', [dy, size], images, { align_corners: bool(attrs['alignCorners']) });
};

const spaceToBatch: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const block = attrs['blockShape'] as number[];
  const paddings = attrs['paddings'] as [number, number][];
  const product = block.reduce((a, b) => a * b, 1);
  const spatial = block.map((size, at) => {
    const [before, after] = paddings[at] as [number, number];
    return ((x.shape[at + 1] as number) + before + after) / size;
  });
  const shape = [(x.shape[0] as number) * product, ...spatial, ...x.shape.slice(1 + block.length)];
  const parameters = [ops.constant(block, 'int32'), ops.constant(paddings.flat(), 'int32', [paddings.length, 2])];
  return ops.one('SpaceToBatchND', [x, ...parameters], { shape, dtype: x.dtype });
};

const batchToSpace: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const block = attrs['blockShape'] as number[];
  const crops = attrs['crops'] as [number, number][];
  const product = block.reduce((a, b) => a * b, 1);
  const spatial = block.map((size, at) => {
    const [before, after] = crops[at] as [number, number];
    return (x.shape[at + 1] as number) * size - before - after;
  });
  const shape = [(x.shape[0] as number) / product, ...spatial, ...x.shape.slice(1 + block.length)];
  const parameters = [ops.constant(block, 'int32'), ops.constant(crops.flat(), 'int32', [crops.length, 2])];
  return ops.one('BatchToSpaceND', [x, ...parameters], { shape, dtype: x.dtype });
};

const depthToSpace: Kernel = (ops, inputs, attrs) => {
  const x = input(inputs, 'x');
  const block = attrs['blockSize'] as number;
  const [batch, height, width, depth] = x.shape as [number, number, number, number];
  const shape = [batch, height * block, width * block, depth / block ** 2];
  const attributes = { block_size: int(block), data_format: text((attrs['dataFormat'] as string) ?? 'NHWC') };
  return ops.one('DepthToSpace', [x], { shape, dtype: x.dtype }, attributes);
};

export const images: ReadonlyMap<string, Kernel> = new Map([
  ['BatchToSpaceND', batchToSpace],
  ['DepthToSpace', depthToSpace],
  ['ResizeBilinear', resize('ResizeBilinear')],
  ['ResizeBilinearGrad', bilinearGrad],
  ['ResizeNearestNeighbor', resize('ResizeNearestNeighbor')],
  ['ResizeNearestNeighborGrad', nearestGrad],
  ['SpaceToBatchND', spaceToBatch],
]);
