import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { addressOf, claimAddressBlock } from './addresses.ts';

describe('pod addresses', () => {
  it('are different for every block and index, all in 127.64.0.0/10', () => {
    const place = fc.tuple(fc.nat(1023), fc.nat(4095));
    fc.assert(
      fc.property(place, place, ([a, i], [b, j]) => {
        const [first, second] = [addressOf(a, i), addressOf(b, j)];
        assert.equal(first === second, a === b && i === j);
        const bytes = first.split('.').map(Number);
        assert.ok(bytes[0] === 127 && (bytes[1] ?? 0) >= 64 && (bytes[1] ?? 0) < 128);
        assert.ok(bytes.every((byte) => byte >= 0 && byte <= 255));
      }),
    );
  });

  it('gives two clusters that start in the same place different blocks', async () => {
    const one = await claimAddressBlock(700);
    const two = await claimAddressBlock(700);
    try {
      assert.notEqual(one.allocate(), two.allocate());
    } finally {
      await one.close();
      await two.close();
    }
    const again = await claimAddressBlock(700);
    assert.equal(again.allocate(), addressOf(700, 1));
    await again.close();
  });

  it('counts up, skips what is in use, and does not give a returned address out at once', async () => {
    const block = await claimAddressBlock(710);
    try {
      const first = block.allocate();
      block.release(first);
      const seen = new Set(Array.from({ length: 4093 }, () => block.allocate()));
      assert.equal(seen.size, 4093);
      assert.ok(!seen.has(first) && !seen.has(addressOf(710, 0)));
      assert.equal(block.allocate(), first);
      assert.throws(() => block.allocate(), /all 4094 pod addresses/);
    } finally {
      await block.close();
    }
  });
});
