import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { contribute } from '../../../test/bench/contribution.ts';
import { treeSum } from '../../../test/bench/reference.ts';
import { createTreeSum, scratchBytes, sharedMemory } from './kernel.ts';

/** Sums of `count` inputs by the kernel, each input at an address of its own that is a multiple of 4 only. */
function kernelSum(parts: readonly Float32Array[], shift: number): Float32Array {
  const stride = Math.ceil(parts[0]!.byteLength / 64) * 64 + 64 + 4 * shift;
  const scratch = (parts.length + 1) * stride;
  const aligned = Math.ceil(scratch / 64) * 64;
  const memory = sharedMemory(aligned + scratchBytes(parts.length));
  const sources = parts.map((part, i) => {
    new Float32Array(memory.buffer, (i + 1) * stride, part.length).set(part);
    return (i + 1) * stride;
  });
  createTreeSum(memory, aligned)(0, sources, parts[0]!.byteLength);
  return new Float32Array(memory.buffer, 0, parts[0]!.length).slice();
}

const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

describe('tree sum kernel', () => {
  it('gives the bits of one float32 addition after the other in tree order, for any count, length and alignment', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 19 }),
        fc.integer({ min: 1, max: 700 }),
        fc.nat(15),
        fc.nat(),
        (count, length, shift, seed) => {
          const parts = Array.from({ length: count }, (_, rank) => {
            const part = new Float32Array(length);
            contribute(part, rank, seed, 0);
            return part;
          });
          assert.deepEqual(bits(kernelSum(parts, shift)), bits(treeSum(parts)));
        },
      ),
    );
  });

  it('carries on over blocks', () => {
    const parts = Array.from({ length: 7 }, (_, rank) => {
      const part = new Float32Array(20_001);
      contribute(part, rank, 0, 0);
      return part;
    });
    assert.deepEqual(bits(kernelSum(parts, 0)), bits(treeSum(parts)));
  });

  it('passes infinities, subnormals and signed zeros through', () => {
    const parts = [
      Float32Array.of(Infinity, 1e-45, -0, 3.4e38),
      Float32Array.of(1, 1e-45, -0, 3.4e38),
      Float32Array.of(1, 1e-45, -0, -3.4e38),
    ];
    assert.deepEqual(bits(kernelSum(parts, 0)), bits(treeSum(parts)));
  });

  it('differs from adding left to right, so that the test above can fail', () => {
    const parts = [1, 1e8, -1e8, 1].map((v) => Float32Array.of(v));
    assert.notEqual(
      treeSum(parts)[0],
      parts.reduce((a, p) => Math.fround(a + p[0]!), 0),
    );
  });
});
