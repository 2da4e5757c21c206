import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { type Format, fromStored, permutation, storedShape, toStored } from './format.ts';

const formats: readonly Format[] = ['plain', 'NCHW', 'OHWI', 'OIHW'];
const shape = fc.tuple(...[1, 2, 3, 4].map(() => fc.integer({ min: 1, max: 4 })));

/** Element at logical `place` of a tensor stored in `format`. */
function elementAt(stored: Float32Array, logical: readonly number[], format: Format, place: readonly number[]): number {
  const sizes = storedShape(logical, format);
  const at = storedShape(place, format);
  return stored[at.reduce((sum, index, axis) => sum * (sizes[axis] as number) + index, 0)] as number;
}

function* places([a, b, c, d]: readonly number[]): Generator<number[]> {
  for (let i = 0; i < a!; i++)
    for (let j = 0; j < b!; j++) for (let k = 0; k < c!; k++) for (let l = 0; l < d!; l++) yield [i, j, k, l];
}

const numbered = (sizes: readonly number[]) =>
  Float32Array.from({ length: sizes.reduce((product, size) => product * size, 1) }, (_, at) => at);

describe('formats', () => {
  it('name the axes in the order in which they lie', () => {
    assert.deepEqual(storedShape([64, 5, 6, 3], 'NCHW'), [64, 3, 5, 6]);
    assert.deepEqual(storedShape([5, 6, 3, 8], 'OHWI'), [8, 5, 6, 3]);
    assert.deepEqual(storedShape([5, 6, 3, 8], 'OIHW'), [8, 3, 5, 6]);
    assert.deepEqual(storedShape([7, 2], 'plain'), [7, 2]);
  });

  it('keep every element at its logical place, and give the data back', () => {
    fc.assert(
      fc.property(shape, fc.constantFrom(...formats), (sizes, format) => {
        const data = numbered(sizes);
        const stored = toStored(data, sizes, format);
        let at = 0;
        for (const place of places(sizes)) assert.equal(elementAt(stored, sizes, format, place), at++);
        assert.deepEqual(fromStored(stored, sizes, format), data);
      }),
    );
  });

  it('become each other by the permutation of a Transpose', () => {
    fc.assert(
      fc.property(shape, fc.constantFrom(...formats), fc.constantFrom(...formats), (sizes, from, to) => {
        const perm = permutation(from, to);
        const before = storedShape(sizes, from);
        assert.deepEqual(
          perm.map((axis) => before[axis]),
          storedShape(sizes, to),
        );
        assert.deepEqual(
          permutation(to, from).map((axis) => perm[axis]),
          [0, 1, 2, 3],
        );
      }),
    );
  });
});
