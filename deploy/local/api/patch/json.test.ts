import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { StatusError } from '../errors.ts';
import type { Json } from '../object.ts';
import { jsonPatch } from './json.ts';

const refusedWith = (code: number) => (error: unknown) => error instanceof StatusError && error.code === code;

describe('jsonPatch', () => {
  it('adds, replaces, removes, moves, copies and tests', () => {
    const document = { a: [1, 2], b: { 'c/d': 'x', 'e~f': 'y' } };
    const cases: [Json, Json][] = [
      [[{ op: 'add', path: '/a/1', value: 9 }], { ...document, a: [1, 9, 2] }],
      [[{ op: 'add', path: '/a/-', value: 9 }], { ...document, a: [1, 2, 9] }],
      [[{ op: 'replace', path: '/b/c~1d', value: 'z' }], { ...document, b: { 'c/d': 'z', 'e~f': 'y' } }],
      [[{ op: 'remove', path: '/b/e~0f' }], { ...document, b: { 'c/d': 'x' } }],
      [[{ op: 'move', from: '/a/0', path: '/f' }], { ...document, a: [2], f: 1 }],
      [[{ op: 'copy', from: '/b', path: '/f' }], { ...document, f: document.b }],
      [[{ op: 'test', path: '/b', value: { 'e~f': 'y', 'c/d': 'x' } }], document],
    ];
    for (const [patch, wanted] of cases) assert.deepEqual(jsonPatch(document, patch), wanted);
  });

  it('refuses a failed test and a path that is not there with 422', () => {
    const bad: Json[] = [
      [{ op: 'test', path: '/a', value: 2 }],
      [{ op: 'replace', path: '/b', value: 2 }],
      [{ op: 'remove', path: '/b' }],
      [{ op: 'add', path: '/b/c', value: 2 }],
      [{ op: 'add', path: '/l/3', value: 2 }],
      [{ op: 'remove', path: '/l/01' }],
      [{ op: 'move', from: '/x', path: '/y' }],
    ];
    for (const patch of bad) assert.throws(() => jsonPatch({ a: 1, l: [0] }, patch), refusedWith(422));
  });

  it('refuses what is no patch with 400', () => {
    const bad: Json[] = [
      {},
      [1],
      [{ op: 'add' }],
      [{ op: 'add', path: '/a' }],
      [{ op: 'swap', path: '/a' }],
      [{ op: 'add', path: 'a', value: 1 }],
    ];
    for (const patch of bad) assert.throws(() => jsonPatch({}, patch), refusedWith(400));
  });

  it('undoes an addition by a removal, and leaves the document alone', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        fc.string(),
        fc.jsonValue(),
        (document, name, value) => {
          fc.pre(!Object.hasOwn(document, name));
          const path = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
          const before = structuredClone(document);
          const patch = [
            { op: 'add', path, value },
            { op: 'remove', path },
          ];
          assert.deepEqual(jsonPatch(document as Json, patch as Json), before);
          assert.deepEqual(document, before);
        },
      ),
    );
  });
});
