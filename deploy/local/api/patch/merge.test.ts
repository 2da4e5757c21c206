import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { isObject, type Json } from '../object.ts';
import { mergePatch } from './merge.ts';

const json = fc.json().map((text) => JSON.parse(text) as Json);

/** What a merge patch can express: no nulls inside objects. */
function withoutNulls(value: Json): Json {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([field, child]) => [field, withoutNulls(child)]));
}

describe('mergePatch', () => {
  it('merges objects, replaces everything else and removes by null (cases of RFC 7386)', () => {
    const cases: [Json, Json, Json][] = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
      [{ a: 'b' }, { a: null }, {}],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
      [['a', 'b'], ['c'], ['c']],
      [{ a: 'foo' }, null, null],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [target, patch, wanted] of cases) assert.deepEqual(mergePatch(target, patch), wanted);
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = mergePatch(target, patch);
        assert.deepEqual(mergePatch(once, patch), once);
      }),
    );
  });

  it('leaves its arguments alone', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const before = structuredClone([target, patch]);
        mergePatch(target, patch);
        assert.deepEqual([target, patch], before);
      }),
    );
  });

  it('builds any document without nulls from nothing', () => {
    fc.assert(
      fc.property(json.map(withoutNulls), (document) => assert.deepEqual(mergePatch(undefined, document), document)),
    );
  });

  it('takes __proto__ for a name like any other', () => {
    const patched = mergePatch({}, JSON.parse('{"__proto__": {"polluted": true}}') as Json);
    assert.deepEqual(Object.keys(patched as object), ['__proto__']);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
});
