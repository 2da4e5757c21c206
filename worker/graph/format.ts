import type { ImageFormat } from '../engine/engine.ts';

/**
 * How the axes of a tensor lie in memory. The other formats are those of four axes: NCHW of a picture, logically NHWC;
 * OHWI and OIHW of a filter, logically HWIO (height, width, in, out).
 */
export type Format = 'plain' | 'NCHW' | 'OHWI' | 'OIHW';

/** Format of pictures that a convolution takes and makes. */
export const pictureFormats: Readonly<Record<ImageFormat, Format>> = { NHWC: 'plain', NCHW: 'NCHW' };

/** Format of the filters beside such pictures. */
export const filterFormats: Readonly<Record<ImageFormat, 'OHWI' | 'OIHW'>> = { NHWC: 'OHWI', NCHW: 'OIHW' };

/** The logical axis that lies at each place. */
const orders: Readonly<Record<Exclude<Format, 'plain'>, readonly number[]>> = {
  NCHW: [0, 3, 1, 2],
  OHWI: [3, 0, 1, 2],
  OIHW: [3, 2, 0, 1],
};

/** The logical axis at each place of a tensor of `rank` axes; formats other than plain have four. */
export function orderOf(format: Format, rank: number): readonly number[] {
  return format === 'plain' ? Array.from({ length: rank }, (_, axis) => axis) : orders[format];
}

/** Shape of the stored tensor. */
export function storedShape(shape: readonly number[], format: Format): number[] {
  return orderOf(format, shape.length).map((axis) => shape[axis] as number);
}

/** The shape of which {@link storedShape} made `stored`. */
export function logicalShape(stored: readonly number[], format: Format): number[] {
  const places = orderOf(format, stored.length);
  return stored.map((_, axis) => stored[places.indexOf(axis)] as number);
}

/** What a Transpose of a tensor stored in one format is given as `perm` to get the other; four axes. */
export function permutation(from: Format, to: Format): number[] {
  const places = orderOf(from, 4);
  return orderOf(to, 4).map((axis) => places.indexOf(axis));
}

/** Row-major data of logical `shape`, as it is stored. Returns `data` itself where that is the same. */
export function toStored<T extends Float32Array | Int32Array | Uint8Array>(
  data: T,
  shape: readonly number[],
  format: Format,
): T {
  return format === 'plain' ? data : reordered(data, shape, permutation('plain', format));
}

/** The other way: row-major data of logical `shape`, from how it is stored. */
export function fromStored<T extends Float32Array | Int32Array | Uint8Array>(
  data: T,
  shape: readonly number[],
  format: Format,
): T {
  return format === 'plain' ? data : reordered(data, storedShape(shape, format), permutation(format, 'plain'));
}

/** A copy of four axes in the order `perm`. */
function reordered<T extends Float32Array | Int32Array | Uint8Array>(
  data: T,
  shape: readonly number[],
  perm: readonly number[],
): T {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const [a, b, c, d] = perm.map((axis) => shape[axis]) as [number, number, number, number];
  const [stepA, stepB, stepC, stepD] = perm.map((axis) => strides[axis]) as [number, number, number, number];
  const target = data.slice() as T;
  let at = 0;
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) {
        let from = i * stepA + j * stepB + k * stepC;
        for (let l = 0; l < d; l++, from += stepD) target[at++] = data[from] as number;
      }
    }
  }
  return target;
}
