import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { StatusError } from '../errors.ts';
import type { JsonObject } from '../object.ts';
import { strategicPatch } from './strategic.ts';

const pod = (...containers: JsonObject[]): JsonObject => ({ spec: { containers } });

describe('strategicPatch', () => {
  it('merges lists by their key and appends what is new', () => {
    const live = pod({ name: 'a', image: '1', env: [{ name: 'x', value: '1' }] }, { name: 'b', image: '1' });
    const patched = strategicPatch(
      live,
      pod({ name: 'a', env: [{ name: 'y', value: '2' }] }, { name: 'c', image: '3' }),
    );
    const wanted = pod(
      {
        name: 'a',
        image: '1',
        env: [
          { name: 'x', value: '1' },
          { name: 'y', value: '2' },
        ],
      },
      { name: 'b', image: '1' },
      { name: 'c', image: '3' },
    );
    assert.deepEqual(patched, wanted);
  });

  it('follows $patch: delete and replace, in items, objects and lists', () => {
    const live = pod({ name: 'a', image: '1' }, { name: 'b', image: '1' });
    assert.deepEqual(strategicPatch(live, pod({ name: 'a', $patch: 'delete' })), pod({ name: 'b', image: '1' }));
    assert.deepEqual(strategicPatch(live, pod({ $patch: 'replace' }, { name: 'c' })), pod({ name: 'c' }));
    assert.deepEqual(strategicPatch({ a: { b: 1, c: 2 } }, { a: { $patch: 'replace', d: 3 } }), { a: { d: 3 } });
    assert.deepEqual(strategicPatch({ a: { b: 1 }, e: 1 }, { a: { $patch: 'delete' } }), { e: 1 });
  });

  it('orders a list as $setElementOrder says, what it does not name in its place', () => {
    const live = pod({ name: 'a' }, { name: 'x' }, { name: 'b' });
    const patched = strategicPatch(live, { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } });
    assert.deepEqual(patched, pod({ name: 'b' }, { name: 'a' }, { name: 'x' }));
  });

  it('keeps only the fields of $retainKeys', () => {
    const live = { strategy: { type: 'a', rolling: { x: 1 } } };
    const patched = strategicPatch(live, { strategy: { $retainKeys: ['type'], type: 'b' } });
    assert.deepEqual(patched, { strategy: { type: 'b' } });
  });

  it('treats finalizers as a set and takes values out by $deleteFromPrimitiveList', () => {
    const live = { metadata: { finalizers: ['a', 'b'] } };
    assert.deepEqual(strategicPatch(live, { metadata: { finalizers: ['b', 'c'] } }), {
      metadata: { finalizers: ['a', 'b', 'c'] },
    });
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } };
    assert.deepEqual(strategicPatch(live, patch), { metadata: { finalizers: ['b'] } });
  });

  it('tells the ports of a service from those of a container', () => {
    const ports = (key: string): JsonObject => ({
      ports: [
        { [key]: 80, name: 'a' },
        { [key]: 81, name: 'b' },
      ],
    });
    for (const key of ['port', 'containerPort']) {
      const patched = strategicPatch(ports(key), { ports: [{ [key]: 81, name: 'c' }] });
      assert.deepEqual(patched, {
        ports: [
          { [key]: 80, name: 'a' },
          { [key]: 81, name: 'c' },
        ],
      });
    }
  });

  it('refuses an item without its key and an unknown directive', () => {
    const refused = (error: unknown): boolean => error instanceof StatusError && error.code === 400;
    assert.throws(() => strategicPatch(pod({ name: 'a' }), pod({ image: 'x' })), refused);
    assert.throws(() => strategicPatch({}, { $patch: 'shuffle' }), refused);
  });

  it('changes nothing the second time', () => {
    const container = fc.record(
      { name: fc.constantFrom('a', 'b', 'c'), image: fc.string() },
      { requiredKeys: ['name'], noNullPrototype: true },
    );
    const containers = fc.uniqueArray(container, { selector: (c) => c.name });
    fc.assert(
      fc.property(containers, containers, (live, patch) => {
        const once = strategicPatch(pod(...(live as JsonObject[])), pod(...(patch as JsonObject[])));
        assert.deepEqual(strategicPatch(once, pod(...(patch as JsonObject[]))), once);
      }),
    );
  });
});
