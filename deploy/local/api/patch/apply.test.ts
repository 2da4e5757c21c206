import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { StatusError } from '../errors.ts';
import type { JsonObject, KubeObject, ManagedFieldsEntry } from '../object.ts';
import { type Applied, applyConfiguration } from './apply.ts';
import { decodeFields, encodeFields, fieldsOf } from './field-set.ts';
import { trackUpdate, type Writer } from './managed-fields.ts';
import { schemaShape } from './shape.ts';

const text: JsonObject = { type: 'string' };
const shape = schemaShape({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: text,
        b: text,
        nested: { type: 'object', properties: { x: text, y: text } },
        plain: { type: 'array', items: text },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: text, value: text, other: text } },
        },
      },
    },
  },
});

const by = (manager: string, operation: Writer['operation'] = 'Apply', time = '2026-01-01T00:00:00Z'): Writer => ({
  manager,
  operation,
  apiVersion: 'v1',
  time,
});
const none: Applied = { value: {}, entries: [] };
const apply = (state: Applied, spec: JsonObject, manager: string, force = false): Applied =>
  applyConfiguration(state.value, { spec }, state.entries, by(manager), shape, force);
const update = (state: Applied, spec: JsonObject, manager: string): Applied => {
  const object = (value: JsonObject): KubeObject => ({
    apiVersion: 'v1',
    kind: 'K',
    metadata: { name: 'n' },
    ...value,
  });
  const after = { spec };
  return {
    value: after,
    entries: trackUpdate(object(state.value), object(after), state.entries, by(manager, 'Update'), shape),
  };
};
const owned = (state: Applied, manager: string): string =>
  JSON.stringify(state.entries.find((entry) => entry.manager === manager)?.fieldsV1 ?? null);

describe('applyConfiguration', () => {
  it('sets what is applied and removes what the same manager applies no more', () => {
    const first = apply(none, { a: '1', nested: { x: '1', y: '1' } }, 'm');
    const second = apply(first, { nested: { x: '2' } }, 'm');
    assert.deepEqual(second.value, { spec: { nested: { x: '2' } } });
    assert.equal(owned(second, 'm'), '{"f:spec":{"f:nested":{"f:x":{}}}}');
  });

  it('lets two managers own different fields and keeps what the other owns', () => {
    const both = apply(apply(none, { a: '1' }, 'm'), { b: '2' }, 'n');
    assert.deepEqual(both.value, { spec: { a: '1', b: '2' } });
    assert.deepEqual(apply(both, {}, 'm').value, { spec: { b: '2' } });
  });

  it('refuses to change what another owns, names the field, and takes it by force', () => {
    const state = apply(none, { nested: { x: '1' } }, 'm');
    assert.throws(
      () => apply(state, { nested: { x: '2' } }, 'n'),
      (error) =>
        error instanceof StatusError &&
        error.code === 409 &&
        error.message === 'Apply failed with 1 conflict: conflict with "m": .spec.nested.x' &&
        error.details?.causes?.[0]?.reason === 'FieldManagerConflict',
    );
    const forced = apply(state, { nested: { x: '2' } }, 'n', true);
    assert.equal(owned(forced, 'm'), 'null');
    assert.equal(owned(forced, 'n'), '{"f:spec":{"f:nested":{"f:x":{}}}}');
  });

  it('names every conflict at once, by manager', () => {
    const state = apply(apply(none, { a: '1', items: [{ name: 'i', value: '1' }] }, 'm'), { b: '1' }, 'k');
    assert.throws(
      () => apply(state, { a: '2', b: '2', items: [{ name: 'i', value: '2' }] }, 'n'),
      (error) =>
        (error as Error).message ===
        'Apply failed with 3 conflicts: conflicts with "k":\n- .spec.b\nconflicts with "m":\n- .spec.a\n- .spec.items[name="i"].value',
    );
  });

  it('shares a field of equal value: it stays until the last owner lets go', () => {
    const shared = apply(apply(none, { a: '1' }, 'm'), { a: '1' }, 'n');
    const one = apply(shared, {}, 'm');
    assert.deepEqual(one.value, { spec: { a: '1' } });
    assert.deepEqual((apply(one, {}, 'n').value['spec'] as JsonObject)['a'], undefined);
  });

  it('merges a list by its keys', () => {
    const first = apply(none, { items: [{ name: 'i', value: '1' }] }, 'm');
    const both = apply(
      first,
      {
        items: [
          { name: 'j', value: '2' },
          { name: 'i', other: '3' },
        ],
      },
      'n',
    );
    assert.deepEqual(both.value, {
      spec: {
        items: [
          { name: 'i', value: '1', other: '3' },
          { name: 'j', value: '2' },
        ],
      },
    });
    assert.equal(
      owned(first, 'm'),
      String.raw`{"f:spec":{"f:items":{"k:{\"name\":\"i\"}":{".":{},"f:name":{},"f:value":{}}}}}`,
    );
    assert.deepEqual(apply(both, {}, 'n').value, { spec: { items: [{ name: 'i', value: '1' }] } });
  });

  it('conflicts with a change made by an update, and yields nothing to it otherwise', () => {
    const state = update(apply(none, { a: '1', b: '1' }, 'm'), { a: '2', b: '1' }, 'editor');
    assert.equal(owned(state, 'm'), '{"f:spec":{"f:b":{}}}');
    assert.throws(
      () => apply(state, { a: '1', b: '1' }, 'm'),
      /conflict with "editor" using v1 at 2026-01-01T00:00:00Z: \.spec\.a/,
    );
  });

  it('keeps a container that leaves a set while something in it is owned', () => {
    const created = update(none, { nested: { x: '1' } }, 'kubectl-client-side-apply');
    const entries = created.entries.map(
      (entry): ManagedFieldsEntry => ({ ...entry, manager: 'm', operation: 'Apply' }),
    );
    const migrated = applyConfiguration(
      created.value,
      { spec: { nested: { x: '1' } } },
      entries,
      by('m'),
      shape,
      false,
    );
    assert.deepEqual(migrated.value, { spec: { nested: { x: '1' } } });
  });

  it('keeps the time of an entry whose fields stay', () => {
    const first = apply(none, { a: '1' }, 'm');
    const later = applyConfiguration(
      first.value,
      { spec: { a: '2' } },
      first.entries,
      by('m', 'Apply', '2027-01-01T00:00:00Z'),
      shape,
      false,
    );
    assert.equal(later.entries[0]?.time, '2026-01-01T00:00:00Z');
  });

  const item = fc.record(
    { name: fc.constantFrom('i', 'j', 'k'), value: fc.constantFrom('1', '2') },
    { requiredKeys: ['name'] },
  );
  const spec = fc
    .record(
      {
        a: fc.constantFrom('1', '2'),
        b: fc.constantFrom('1', '2'),
        nested: fc.record({ x: fc.constantFrom('1', '2'), y: fc.constantFrom('1', '2') }, { requiredKeys: [] }),
        plain: fc.array(fc.constantFrom('1', '2'), { maxLength: 2 }),
        items: fc.uniqueArray(item, { selector: (i) => i.name }),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);

  it('shows afterwards every field that was applied', () => {
    fc.assert(
      fc.property(spec, spec, spec, (first, second, third) => {
        const state = apply(apply(apply(none, first, 'm'), second, 'n', true), third, 'm', true);
        const fields = fieldsOf(state.value, shape);
        for (const [key, field] of fieldsOf({ spec: third }, shape)) {
          if (!field.container && !isEmpty(field.value)) assert.deepEqual(fields.get(key)?.value, field.value, key);
        }
      }),
    );
  });

  it('changes nothing when the same is applied again', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const state = apply(apply(none, first, 'm'), second, 'n', true);
        assert.deepEqual(apply(state, second, 'n'), state);
      }),
    );
  });

  it('writes field sets that read back the same', () => {
    fc.assert(
      fc.property(spec, (value) => {
        const set = new Map([...fieldsOf({ spec: value }, shape)].map(([key, field]) => [key, field.path]));
        assert.deepEqual([...decodeFields(encodeFields(set)).keys()].sort(), [...set.keys()].sort());
      }),
    );
  });
});

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
