import assert from 'node:assert/strict';
import type { Batch } from '../define.ts';
import { permutation } from '../permutation.ts';
import { parseDigits, pixelsPerDigit, readDigits } from './digits.ts';
import mnist from './mnist.ts';

const context = { parameters: { learningRate: 0.01 }, seed: 3 };
function batches(rank: number, worldSize: number, batchSize: number, startStep: number, count: number): Batch[] {
  const taken: Batch[] = [];
  for (const batch of mnist.data({ ...context, rank, worldSize, batchSize, startStep }) as Iterable<Batch>) {
    taken.push(batch);
    if (taken.length === count) break;
  }
  return taken;
}

describe('the mnist program', () => {
  it('reads 10,000 digits, as JSON.parse would', () => {
    const { pixels, labels, count } = readDigits();
    assert.deepEqual([count, pixels.length, labels.length], [10_000, 10_000 * pixelsPerDigit, 10_000]);
    assert.equal(new Set(labels).size, 10);
    const numbers = [...Array(pixelsPerDigit - 5).fill(0), 0.2, 0.992, 1, 0.004, 0.5];
    const text = JSON.stringify({ data: numbers, length: 1 });
    assert.deepEqual(
      [...parseDigits(Buffer.from(text))],
      numbers.map((value) => Math.round(value * 255)),
    );
    assert.throws(() => parseDigits(Buffer.from('{"data":[0,1')), /damaged/);
  });

  it('gives each rank its slice of the same global batch, whatever their number', () => {
    const alone = batches(0, 1, 64, 0, 3);
    for (const step of [0, 1, 2]) {
      const labels = [0, 1, 2, 3].flatMap((rank) => [...(batches(rank, 4, 16, 0, 3)[step] as Batch).y]);
      assert.deepEqual(labels, [...(alone[step] as Batch).y]);
    }
  });

  it('goes on at any step as if it had come there by itself, also into the next pass', () => {
    const all = batches(1, 2, 1000, 0, 7);
    for (const start of [1, 3, 4, 6]) assert.deepEqual(batches(1, 2, 1000, start, 1)[0]?.y, all[start]?.y);
    assert.notDeepEqual(all[0]?.y, all[4]?.y);
  });

  it('never trains on a held-out digit', () => {
    const key = (x: Float32Array, i: number) =>
      Buffer.from(x.slice(i * pixelsPerDigit, (i + 1) * pixelsPerDigit).buffer).toString('base64');
    const held = new Set<string>();
    const evaluation = [...((mnist.evaluate?.(context) ?? []) as Iterable<Batch>)];
    for (const { x, y } of evaluation) for (let i = 0; i < y.length; i++) held.add(key(x as Float32Array, i));
    assert.equal(
      evaluation.reduce((sum, { y }) => sum + y.length, 0),
      1500,
    );
    const [pass] = batches(0, 1, 8500, 0, 1);
    const trained = Array.from({ length: 8500 }, (_, i) => key(pass?.x as Float32Array, i));
    assert.equal(new Set(trained).size, 8500);
    assert.deepEqual(
      trained.filter((digit) => held.has(digit)),
      [],
    );
  });
});

describe('permutation', () => {
  it('holds every number once, in an order that its seeds decide', () => {
    const order = permutation(1000, 5, 2);
    assert.deepEqual(
      order.toSorted(),
      Uint32Array.from({ length: 1000 }, (_, i) => i),
    );
    assert.deepEqual(permutation(1000, 5, 2), order);
    assert.notDeepEqual(permutation(1000, 5, 3), order);
  });
});
