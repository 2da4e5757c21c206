import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { mergeDiff } from './merge-diff.ts';

/** RFC 7386, section 2. */
function applyPatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = applyPatch(result[name], value);
  }
  return result;
}

describe('mergeDiff', () => {
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.oneof({ maxDepth: 3 }, fc.integer(), fc.string(), fc.array(fc.integer()), tie('tree')),
      { noNullPrototype: true },
    ),
  }));

  it('makes a patch that leads from one object to the other, and none between equal ones', () => {
    fc.assert(
      fc.property(tree, tree, (before, after) => {
        const patch = mergeDiff(before as object, after as object);
        assert.deepEqual(patch === undefined ? before : applyPatch(before, patch), after);
        assert.equal(mergeDiff(after as object, structuredClone(after) as object), undefined);
      }),
    );
  });

  it('replaces lists whole and removes fields with null', () => {
    assert.deepEqual(mergeDiff({ list: [1, 2], gone: 1, kept: { x: 1 } }, { list: [1, 3], kept: { x: 1 } }), {
      list: [1, 3],
      gone: null,
    });
  });
});
