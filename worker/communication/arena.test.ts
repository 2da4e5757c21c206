import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { layArena, planProgram } from './arena.ts';
import { planBuckets } from './schedule/buckets.ts';
import { planExchange } from './schedule/plan.ts';
import type { ExchangePlan } from './schedule/types.ts';

const constants = { alphaSeconds: 1e-4, betaSecondsPerByte: 1e-9, gammaSecondsPerByte: 1e-10, overheadSeconds: 1e-5 };

function planOf(sizes: readonly number[], worldSize: number, chunkBytes: number): ExchangePlan {
  const variables = sizes.map((elements, index) => ({ index, layer: index, elements }));
  const buckets = planBuckets(variables, { bucketBytes: 4096 });
  return planExchange({ buckets, worldSize, constants, order: 'Priority', algorithm: 'Auto', chunkBytes });
}

describe('layArena', () => {
  it('gives every slot a place of its own, on 64 bytes', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 8 });
    const numbers = [fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 }), fc.nat()] as const;
    fc.assert(
      fc.property(sizes, ...numbers, (list, worldSize, lanes, seed) => {
        const plan = planOf(list, worldSize, 4096);
        const rank = seed % worldSize;
        const arena = layArena(plan, rank, lanes);
        const areas = plan.buckets.flatMap(({ id, elements }) => {
          const { outgoing, result, receive, receiveStride } = arena.slots[id]!;
          const { receiveElements, receiveSets } = planProgram(plan, id, rank);
          const received = Array.from({ length: receiveSets * (worldSize - 1) }, (_, i) => ({
            start: receive + i * receiveStride,
            bytes: 4 * receiveElements,
          }));
          return [{ start: outgoing, bytes: 4 * elements }, { start: result, bytes: 4 * elements }, ...received];
        });
        let end = Math.max(arena.stateOffset, ...arena.scratch);
        for (const { start, bytes } of areas.sort((a, b) => a.start - b.start || a.bytes - b.bytes)) {
          assert.ok(start % 64 === 0 && start >= end);
          end = start + bytes;
        }
        assert.ok(end <= arena.bytes);
      }),
    );
  });

  it('says what does not fit into the memory that can be addressed', () => {
    assert.throws(
      () => layArena(planOf([600 << 20], 4, 1 << 20), 0, 1),
      /^RangeError: the exchange needs \d+\.\d GiB .* at most 4 GiB/,
    );
  });
});
