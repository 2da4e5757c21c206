import assert from 'node:assert/strict';
import { calibrate, mergeConstants } from './calibrate.ts';

describe('calibrate', () => {
  it('finds the constants of a link that follows the model', async () => {
    const [alpha, beta, o] = [200e-6, 2e-9, 20e-6];
    let clock = 0;
    // A request of one message there, `count` messages back; each costs o on both ends.
    const probe = (count: number, bytes: number) => {
      clock += 2 * (alpha + 2 * o) + (count - 1) * 2 * o + count * bytes * beta;
      return Promise.resolve();
    };
    const found = await calibrate(probe, 4, () => clock);
    const near = (actual: number, wanted: number) =>
      assert.ok(Math.abs(actual / wanted - 1) < 0.1, `${actual} ${wanted}`);
    near(found.overheadSeconds, o);
    near(found.alphaSeconds, alpha);
    near(found.betaSecondsPerByte, beta);
  });

  it('needs no link for one rank', async () => {
    const found = await calibrate(undefined, 1, () => performance.now() / 1000);
    assert.equal(found.alphaSeconds, 0);
    assert.ok(found.gammaSecondsPerByte > 0 && found.gammaSecondsPerByte < 1e-6);
  });
});

describe('mergeConstants', () => {
  it('takes the slowest link and the middle of the rest', () => {
    const of = (x: number) => ({ alphaSeconds: x, betaSecondsPerByte: x, gammaSecondsPerByte: x, overheadSeconds: x });
    assert.deepEqual(mergeConstants([of(3), of(1), of(9)]), { ...of(3), betaSecondsPerByte: 9 });
  });
});
