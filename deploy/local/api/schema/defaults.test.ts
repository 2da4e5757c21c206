import assert from 'node:assert/strict';
import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { applyDefaults } from './defaults.ts';
import { prune } from './prune.ts';

const schema: StructuralSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: { type: 'integer', default: 1 },
        section: { type: 'object', default: {}, properties: { b: { type: 'string', default: 'x' } } },
        noDefault: { type: 'object', properties: { c: { type: 'integer', default: 3 } } },
        list: { type: 'array', items: { type: 'object', properties: { d: { type: 'boolean', default: true } } } },
        map: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { e: { type: 'integer', default: 5 } } },
        },
        nothing: { type: 'string', nullable: true },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { known: { type: 'object', properties: {} } },
        },
      },
    },
  },
};

describe('applyDefaults', () => {
  const cases: [string, object, object][] = [
    ['fills in what is absent, inside a default too', {}, { a: 1, section: { b: 'x' } }],
    ['keeps what is there', { a: 7, section: { b: 'y' } }, { a: 7, section: { b: 'y' } }],
    ['takes null for absent', { a: null, section: { b: null } }, { a: 1, section: { b: 'x' } }],
    ['removes null where there is no default', { noDefault: null }, { a: 1, section: { b: 'x' } }],
    ['keeps null where it is allowed', { nothing: null }, { nothing: null, a: 1, section: { b: 'x' } }],
    ['does not make an object to hold a default', {}, { a: 1, section: { b: 'x' } }],
    [
      'goes into lists and maps',
      { list: [{}, { d: false }], map: { k: {} } },
      { list: [{ d: true }, { d: false }], map: { k: { e: 5 } }, a: 1, section: { b: 'x' } },
    ],
    [
      'leaves null inside free-form fields alone',
      { free: { x: null } },
      { free: { x: null }, a: 1, section: { b: 'x' } },
    ],
    ['leaves a value of another type for validation', { section: 'text' }, { section: 'text', a: 1 }],
  ];
  for (const [what, given, expected] of cases) {
    it(what, () => assert.deepEqual(applyDefaults(schema, { spec: given }), { spec: expected }));
  }

  it('changes neither its argument nor the schema', () => {
    const value = { spec: {} };
    const filled = applyDefaults<{ spec: { section?: { b: string } } }>(schema, value);
    assert.deepEqual(value, { spec: {} });
    filled.spec.section!.b = 'changed';
    assert.deepEqual(applyDefaults(schema, { spec: {} }), { spec: { a: 1, section: { b: 'x' } } });
  });
});

describe('prune', () => {
  it('removes unknown fields and names their paths', () => {
    const value = {
      apiVersion: 'x/v1',
      kind: 'X',
      extra: 1,
      metadata: { name: 'a', labels: { any: 'thing' }, colour: 'red', ownerReferences: [{ uid: 'u', color: 1 }] },
      spec: {
        a: 1,
        z: 2,
        section: { y: 1 },
        list: [{ d: true }, { q: 1 }],
        map: { k: { w: 1 } },
        free: { x: { y: 1 }, known: { v: 1 } },
      },
    };
    const { value: pruned, unknown } = prune(schema, value);
    assert.deepEqual(unknown, [
      'extra',
      'metadata.colour',
      'metadata.ownerReferences[0].color',
      'spec.z',
      'spec.section.y',
      'spec.list[1].q',
      'spec.map.k.w',
      'spec.free.known.v',
    ]);
    assert.deepEqual(pruned, {
      apiVersion: 'x/v1',
      kind: 'X',
      metadata: { name: 'a', labels: { any: 'thing' }, ownerReferences: [{ uid: 'u' }] },
      spec: { a: 1, section: {}, list: [{ d: true }, {}], map: { k: {} }, free: { x: { y: 1 }, known: {} } },
    });
    assert.equal(value.extra, 1);
  });

  it('keeps a known object as it is', () => {
    const value = { metadata: { name: 'a', managedFields: [{ fieldsV1: { 'f:spec': {} } }] }, spec: { a: 1 } };
    assert.deepEqual(prune(schema, value), { value, unknown: [] });
  });
});
