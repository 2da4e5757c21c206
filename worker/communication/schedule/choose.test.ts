import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { choose } from './choose.ts';
import { crossoverBytes, exchangeSeconds } from './cost.ts';
import type { LinkConstants } from './types.ts';

const seconds = (max: number) => fc.double({ min: 1e-9, max, noNaN: true });
const constants: fc.Arbitrary<LinkConstants> = fc.record({
  alphaSeconds: seconds(0.01),
  betaSecondsPerByte: seconds(1e-7),
  gammaSecondsPerByte: seconds(1e-8),
  overheadSeconds: seconds(1e-3),
});
const worlds = fc.integer({ min: 2, max: 64 });

describe('choose', () => {
  it('takes what the formulas say is faster', () => {
    fc.assert(
      fc.property(constants, worlds, fc.integer({ min: 4, max: 1 << 30 }), (c, worldSize, bytes) => {
        const { collective } = choose(bytes, worldSize, c, 'Auto');
        const other = collective === 'gather-sum' ? 'split-sum' : 'gather-sum';
        assert.ok(exchangeSeconds(collective, bytes, worldSize, c) <= exchangeSeconds(other, bytes, worldSize, c));
      }),
    );
  });

  it('gathers below the crossover and splits above', () => {
    fc.assert(
      fc.property(constants, worlds, (c, worldSize) => {
        const meet = crossoverBytes(worldSize, c);
        assert.equal(choose(meet * 0.99, worldSize, c, 'Auto').collective, 'gather-sum');
        assert.equal(choose(meet * 1.01, worldSize, c, 'Auto').collective, 'split-sum');
      }),
    );
  });

  it('agrees with the closed form for one loaded machine', () => {
    const c = {
      alphaSeconds: 30e-6,
      overheadSeconds: 13e-6,
      betaSecondsPerByte: 1 / 0.65e9,
      gammaSecondsPerByte: 1 / 6e9,
    };
    const meet = [2, 3, 4, 8, 16].map((worldSize) => Math.round(crossoverBytes(worldSize, c) / 1000));
    assert.deepEqual(meet, [672, 66, 40, 23, 19]);
  });

  it('does what the setting says, and says so', () => {
    const c = { alphaSeconds: 1, betaSecondsPerByte: 1, gammaSecondsPerByte: 1, overheadSeconds: 1 };
    assert.deepEqual(choose(4, 4, c, 'SplitSum'), {
      collective: 'split-sum',
      reason: 'communication.algorithm is SplitSum',
    });
    assert.equal(choose(1 << 30, 4, c, 'GatherSum').collective, 'gather-sum');
    assert.match(
      choose(4096, 4, c, 'Auto').reason,
      /^4\.0 KiB over 4 ranks: gathering takes .+, splitting .+; they meet at .+/,
    );
    assert.equal(choose(4096, 1, c, 'Auto').reason, 'one rank has nothing to exchange');
  });
});
