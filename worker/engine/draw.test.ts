import assert from 'node:assert/strict';
import { drawInto } from './draw.ts';
import { generator, withRandom } from './random.ts';

const at = { seed: 1, step: 2, rank: 3 };

describe('drawInto', () => {
  it('draws uniform numbers between their bounds', () => {
    const target = new Float32Array(10_000);
    drawInto({ value: 0, distribution: { kind: 'uniform', min: -2, max: 4 } }, 0, at, target);
    assert.ok(target.every((value) => value >= -2 && value < 4));
    assert.ok(Math.abs(target.reduce((a, b) => a + b) / target.length - 1) < 0.1);
  });

  it('draws normal numbers of the mean and spread asked for, also an odd number of them', () => {
    const target = new Float32Array(10_001);
    drawInto({ value: 0, distribution: { kind: 'normal', mean: 1, stddev: 2 } }, 0, at, target);
    const mean = target.reduce((a, b) => a + b) / target.length;
    const variance = target.reduce((sum, value) => sum + (value - mean) ** 2, 0) / target.length;
    assert.ok(Math.abs(mean - 1) < 0.1 && Math.abs(variance - 4) < 0.3);
  });

  it('draws other numbers for another draw of the same step', () => {
    const [first, second] = [new Float32Array(8), new Float32Array(8)];
    const draw = { value: 0, distribution: { kind: 'uniform', min: 0, max: 1 } } as const;
    drawInto(draw, 0, at, first);
    drawInto(draw, 1, at, second);
    assert.notDeepEqual(first, second);
  });
});

describe('generator', () => {
  it('depends on every seed and on their order', () => {
    const firsts = [[1], [2], [1, 0], [0, 1], [1, 2], [2, 1], [2 ** 32 + 1]].map((seeds) => generator(...seeds)());
    assert.equal(new Set(firsts).size, firsts.length);
    assert.equal(generator(1, 2)(), generator(1, 2)());
  });
});

describe('withRandom', () => {
  it('puts Math.random back, also when the body throws', () => {
    const before = Math.random;
    assert.equal(
      withRandom(
        () => 0.5,
        () => Math.random(),
      ),
      0.5,
    );
    assert.throws(() => withRandom(before, () => assert.fail('no')));
    assert.equal(Math.random, before);
  });
});
