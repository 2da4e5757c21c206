import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { planBuckets } from './buckets.ts';
import { planExchange } from './plan.ts';

const positive = (max: number) => fc.double({ min: 1e-12, max, noNaN: true });

describe('planExchange', () => {
  it('keeps chunks and credit within what the transport carries, for any constants', () => {
    const constants = fc.record({
      alphaSeconds: positive(1),
      betaSecondsPerByte: positive(1e-3),
      gammaSecondsPerByte: positive(1e-3),
      overheadSeconds: positive(1),
    });
    fc.assert(
      fc.property(constants, fc.integer({ min: 1, max: 1 << 28 }), (c, elements) => {
        const buckets = planBuckets([{ index: 0, layer: 0, elements }], { bucketBytes: 1 << 20 });
        const plan = planExchange({ buckets, worldSize: 4, constants: c, order: 'Priority', algorithm: 'Auto' });
        assert.ok(plan.chunkBytes >= 64 << 10 && plan.chunkBytes <= 1 << 20 && plan.chunkBytes % 64 === 0);
        assert.ok(plan.creditBytes >= 2 * plan.chunkBytes && plan.creditBytes <= 16 * plan.chunkBytes);
      }),
    );
  });

  it('cuts finer when messages cost less', () => {
    const buckets = planBuckets([{ index: 0, layer: 0, elements: 1 << 24 }], { bucketBytes: 1 << 20 });
    const chunkBytes = (overheadSeconds: number) =>
      planExchange({
        buckets,
        worldSize: 4,
        constants: { alphaSeconds: 1e-4, betaSecondsPerByte: 1e-9, gammaSecondsPerByte: 1e-10, overheadSeconds },
        order: 'Fifo',
        algorithm: 'Auto',
      }).chunkBytes;
    assert.ok(chunkBytes(1e-7) < chunkBytes(1e-5));
  });
});
