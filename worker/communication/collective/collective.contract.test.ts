import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Collective } from '../schedule/types.ts';
import { type Program, programOf } from './program.ts';
import { Progress } from './progress.ts';

const shapes = fc.record({
  elements: fc.integer({ min: 1, max: 3000 }),
  chunkElements: fc.integer({ min: 1, max: 20 }).map((n) => 16 * n),
  worldSize: fc.integer({ min: 1, max: 9 }),
});

function programs(
  collective: Collective,
  shape: { elements: number; chunkElements: number; worldSize: number },
): Program[] {
  return Array.from({ length: shape.worldSize }, (_, rank) => programOf(collective, { ...shape, rank }));
}

for (const collective of ['gather-sum', 'split-sum'] as const) {
  describe(`${collective}: collective contract`, () => {
    it('cuts the bucket into the same chunks on all ranks, each at most a chunk long and on 64 bytes', () => {
      fc.assert(
        fc.property(shapes, (shape) => {
          const all = programs(collective, shape);
          for (const { chunks } of all) {
            let end = 0;
            for (const { offset, length } of chunks) {
              assert.equal(offset, end);
              assert.ok(offset % 16 === 0 && length > 0 && length <= shape.chunkElements);
              end = offset + length;
            }
            assert.equal(end, shape.elements);
            assert.deepEqual(
              chunks.map((c) => c.offset),
              all[0]!.chunks.map((c) => c.offset),
            );
          }
        }),
      );
    });

    it('brings every contribution to whoever sums a chunk, and every sum to everyone', () => {
      fc.assert(
        fc.property(shapes, (shape) => {
          const all = programs(collective, shape);
          for (const chunk of all[0]!.chunks.keys()) {
            for (const [rank, { chunks }] of all.entries()) {
              const { owner, receiveOffset, length } = chunks[chunk]!;
              const contributors = all.flatMap((p, r) => (p.chunks[chunk]!.contributeTo.includes(rank) ? [r] : []));
              const others = all.flatMap((_, r) => (r === rank ? [] : [r]));
              assert.deepEqual(contributors, owner === rank ? others : []);
              assert.equal(all[owner]!.chunks[chunk]!.owner, owner);
              assert.equal(owner === rank || all[owner]!.chunks[chunk]!.resultTo.includes(rank), true);
              if (owner === rank) assert.ok(receiveOffset + length <= all[rank]!.receiveElements);
            }
          }
        }),
      );
    });

    it('gives every chunk that is summed here a place of its own', () => {
      fc.assert(
        fc.property(shapes, (shape) => {
          for (const [rank, { chunks }] of programs(collective, shape).entries()) {
            let end = 0;
            for (const chunk of chunks.filter((c) => c.owner === rank)) {
              assert.ok(chunk.receiveOffset >= end);
              end = chunk.receiveOffset + chunk.length;
            }
          }
        }),
      );
    });

    it('takes no frame twice, from the wrong rank, of the wrong phase or of a step too far', () => {
      const program = programOf(collective, { elements: 640, chunkElements: 32, worldSize: 4, rank: 1 });
      const progress = new Progress(program, 1, 4, [...program.chunks.keys()]);
      const own = program.chunks.findIndex((c) => c.owner === 1);
      const { contribution } = program.chunks[own]!;
      assert.equal(progress.refuse(contribution, own, 2, 0), undefined);
      progress.arrive(contribution, own, 2, 0);
      assert.match(progress.refuse(contribution, own, 2, 0)!.refused, /twice/);
      assert.match(progress.refuse(contribution, own, 1, 0)!.refused, /not for rank 1/);
      assert.match(progress.refuse('result', own, 2, 0)!.refused, /takes no result/);
      assert.match(progress.refuse(contribution, own, 3, 2)!.refused, /step 2 is not under way/);
      assert.match(progress.refuse(contribution, program.chunks.length, 3, 0)!.refused, /no chunk/);
      const taken = program.chunks.findIndex((c) => c.owner !== 1);
      if (taken >= 0)
        assert.match(
          progress.refuse('result', taken, program.chunks[taken]!.owner, 0)!.refused,
          /before its contribution/,
        );
    });

    it('names the ranks whose contribution is missing', () => {
      const program = programOf(collective, { elements: 640, chunkElements: 32, worldSize: 4, rank: 1 });
      const progress = new Progress(program, 1, 4, [...program.chunks.keys()]);
      progress.submit(0);
      for (const [chunk, { owner, contribution }] of program.chunks.entries())
        if (owner === 1) for (const source of [0, 3]) progress.arrive(contribution, chunk, source, 0);
      assert.deepEqual(progress.waitingFor(0), [2]);
    });
  });
}
