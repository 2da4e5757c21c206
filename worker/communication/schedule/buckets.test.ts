import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { planBuckets, type TrainedVariable } from './buckets.ts';

const variables: fc.Arbitrary<TrainedVariable[]> = fc
  .array(fc.record({ layer: fc.nat(20), elements: fc.integer({ min: 1, max: 5000 }) }), { minLength: 1, maxLength: 40 })
  .map((list) => list.map((v, index) => ({ ...v, index })));
const sizes = fc.integer({ min: 64, max: 16_384 });
const limits = fc.record({
  bucketBytes: sizes,
  mostBytes: fc.integer({ min: 1, max: 256 }).map((lines) => 64 * lines),
});

describe('planBuckets', () => {
  it('places every element of every variable once, in parts on 64-byte boundaries that overlap no other', () => {
    fc.assert(
      fc.property(variables, limits, (list, options) => {
        const buckets = planBuckets(list, options);
        const covered = list.map(() => 0);
        for (const part of buckets.flatMap(({ parts }) => parts)) {
          assert.equal(part.first, covered[part.variable]);
          assert.ok(part.first % 16 === 0 && part.length > 0);
          covered[part.variable]! += part.length;
        }
        assert.deepEqual(
          covered,
          list.map(({ elements }) => elements),
        );
        for (const { parts, elements } of buckets) {
          let end = 0;
          for (const part of parts) {
            assert.ok(part.offset >= end && part.offset % 16 === 0);
            end = part.offset + part.length;
          }
          assert.equal(end, elements);
        }
      }),
    );
  });

  it('keeps to the size unless one tensor alone reaches it', () => {
    fc.assert(
      fc.property(variables, sizes, (list, bucketBytes) => {
        for (const bucket of planBuckets(list, { bucketBytes }))
          assert.ok(4 * bucket.elements <= bucketBytes || bucket.parts.length === 1);
      }),
    );
  });

  it('divides what is larger than a bucket may be, and nothing else, into buckets one after the other', () => {
    fc.assert(
      fc.property(variables, limits, (list, options) => {
        const buckets = planBuckets(list, options);
        for (const { elements } of buckets) assert.ok(4 * elements <= options.mostBytes);
        for (const { index, elements, layer } of list) {
          const own = buckets.filter(({ parts }) => parts.some(({ variable }) => variable === index));
          assert.equal(own.length, Math.ceil((4 * elements) / options.mostBytes));
          for (const [at, bucket] of own.entries()) {
            assert.equal(bucket.id, own[0]!.id + at);
            if (own.length > 1) assert.deepEqual([bucket.parts.length, bucket.layer], [1, layer]);
          }
        }
      }),
    );
  });

  it('divides a tensor above 32 MiB', () => {
    const mebi = 1 << 18;
    const list = [33, 32].map((mebibytes, index) => ({ index, layer: index, elements: mebibytes * mebi }));
    const buckets = planBuckets(list, { bucketBytes: 4 << 20 });
    assert.deepEqual(
      buckets.flatMap(({ parts }) => parts),
      [
        { variable: 0, first: 0, offset: 0, length: 32 * mebi },
        { variable: 0, first: 32 * mebi, offset: 0, length: mebi },
        { variable: 1, first: 0, offset: 0, length: 32 * mebi },
      ],
    );
  });

  it('makes the first buckets small, each at most twice as large as the one before', () => {
    const list = Array.from({ length: 64 }, (_, index) => ({ index, layer: index, elements: 32 << 10 }));
    const kibibytes = planBuckets(list, { bucketBytes: 2 << 20 }).map(({ elements }) => elements / 256);
    assert.deepEqual(kibibytes, [256, 512, 1024, 2048, 2048, 2048, 256]);
  });

  it('keeps the first bucket small also where larger tensors lie between its own', () => {
    const elements = [1, 80, 1, 200, 1, 400, 1, 800, 1].map((kibi) => kibi << 10);
    const list = elements.map((each, index) => ({ index, layer: index, elements: each }));
    const [first] = planBuckets(list, { bucketBytes: 4 << 20 });
    assert.ok(4 * first!.elements <= 256 << 10, `${first!.elements} elements`);
  });

  it('orders buckets by their lowest layer, which is what they are awaited for', () => {
    fc.assert(
      fc.property(variables, sizes, (list, bucketBytes) => {
        const buckets = planBuckets(list, { bucketBytes });
        for (const [i, bucket] of buckets.entries()) {
          assert.equal(bucket.id, i);
          assert.equal(bucket.layer, Math.min(...bucket.parts.map((p) => list[p.variable]!.layer)));
          assert.equal(bucket.priority, 0 - bucket.layer);
          assert.ok(i === 0 || buckets[i - 1]!.layer <= bucket.layer);
        }
      }),
    );
  });

  it('gives the same buckets for variables in any order', () => {
    fc.assert(
      fc.property(variables, sizes, fc.infiniteStream(fc.nat()), (list, bucketBytes, keys) => {
        const shuffled = list.map((v) => ({ v, key: keys.next().value })).sort((a, b) => a.key - b.key);
        const again = planBuckets(
          shuffled.map(({ v }) => v),
          { bucketBytes },
        );
        assert.deepEqual(again, planBuckets(list, { bucketBytes }));
      }),
    );
  });

  it('fuses small neighbours around a large tensor', () => {
    const list = [
      { index: 0, layer: 0, elements: 10 },
      { index: 1, layer: 1, elements: 1000 },
      { index: 2, layer: 1, elements: 10 },
    ];
    const buckets = planBuckets(list, { bucketBytes: 1024 });
    assert.deepEqual(
      buckets.map((b) => b.parts.map((p) => p.variable)),
      [[0, 2], [1]],
    );
  });
});
