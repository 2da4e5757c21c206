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
    const alone = batches(0, 1, 64, 0, 2);
    const group = [0, 1, 2, 3].map((rank) => batches(rank, 4, 16, 0, 2));
    for (const step of [0, 1]) {
      const slices = group.map((rank) => rank[step] as Batch);
      assert.deepEqual(Int32Array.from(slices.flatMap(({ y }) => [...y])), alone[step]?.y);
      assert.deepEqual(Float32Array.from(slices.flatMap(({ x }) => [...(x as Float32Array)])), alone[step]?.x);
    }
  });

  it('goes on at any step as if it had come there by itself, also into the next pass', () => {
    const all = batches(1, 2, 1000, 0, 7);
    for (const start of [1, 3, 4, 6]) assert.deepEqual(batches(1, 2, 1000, start, 1)[0]?.y, all[start]?.y);
    assert.notDeepEqual(all[0]?.y, all[4]?.y);
  });

  it('never trains on a held-out digit, however it is moved', () => {
    const keys = ({ x, y }: Batch) => Array.from(y, (label, i) => `${label} ${inkOf(x as Float32Array, i)}`);
    const evaluation = [...((mnist.evaluate?.(context) ?? []) as Iterable<Batch>)];
    const held = new Set(evaluation.flatMap(keys));
    assert.equal(
      evaluation.reduce((sum, { y }) => sum + y.length, 0),
      1500,
    );
    assert.ok(held.size > 1490);
    const [pass] = batches(0, 1, 8500, 0, 1);
    const trained = keys(pass as Batch);
    assert.ok(new Set(trained).size > 8400);
    assert.deepEqual(
      trained.filter((digit) => held.has(digit)),
      [],
    );
  });

  it('moves the digits to train on, and not those to evaluate', () => {
    const [once] = batches(0, 1, 8500, 0, 1);
    const [later] = batches(0, 1, 8500, 1, 1);
    assert.notDeepEqual(once?.x, later?.x);
    const digits = readDigits();
    const whole = new Set(
      Array.from(digits.labels, (_, i) =>
        Buffer.from(digits.pixels.slice(i * pixelsPerDigit, (i + 1) * pixelsPerDigit)).toString('base64'),
      ),
    );
    for (const { x } of (mnist.evaluate?.(context) ?? []) as Iterable<Batch>) {
      const first = Uint8Array.from((x as Float32Array).subarray(0, pixelsPerDigit), (grey) => Math.round(grey * 255));
      assert.ok(whole.has(Buffer.from(first).toString('base64')));
    }
  });
});

/** What moving a digit does not change as long as its ink stays inside: how often each grey occurs. */
function inkOf(x: Float32Array, i: number): string {
  const counts = new Uint16Array(256);
  for (const grey of x.subarray(i * pixelsPerDigit, (i + 1) * pixelsPerDigit)) {
    const level = Math.round(grey * 255);
    counts[level] = (counts[level] as number) + 1;
  }
  return Buffer.from(counts.buffer).toString('base64');
}

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
