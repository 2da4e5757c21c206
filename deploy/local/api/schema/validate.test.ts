import assert from 'node:assert/strict';
import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { validate } from './validate.ts';

const object = (properties: Record<string, StructuralSchema>, more: StructuralSchema = {}): StructuralSchema => ({
  type: 'object',
  properties,
  ...more,
});
const spec = (properties: Record<string, StructuralSchema>, more: StructuralSchema = {}): StructuralSchema =>
  object({ spec: object(properties, more) });

const messages = (schema: StructuralSchema, value: unknown, old?: unknown): string[] =>
  validate(schema, value, old).map((cause) => `${cause.reason} ${cause.field}: ${cause.message}`);

const notChecked =
  'FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

describe('validate', () => {
  const count: StructuralSchema = { type: 'integer', format: 'int32', minimum: 0, maximum: 10 };
  const table: [string, StructuralSchema, unknown, string[]][] = [
    [
      'a number that is too small',
      count,
      -1,
      ['FieldValueInvalid spec.f: Invalid value: -1: spec.f in body should be greater than or equal to 0'],
    ],
    [
      'a number that is too large',
      count,
      11,
      ['FieldValueInvalid spec.f: Invalid value: 11: spec.f in body should be less than or equal to 10'],
    ],
    [
      'an exclusive bound',
      { type: 'number', minimum: 0, exclusiveMinimum: true },
      0,
      ['FieldValueInvalid spec.f: Invalid value: 0: spec.f in body should be greater than 0'],
    ],
    [
      'a multiple',
      { type: 'integer', multipleOf: 4 },
      6,
      ['FieldValueInvalid spec.f: Invalid value: 6: spec.f in body should be a multiple of 4'],
    ],
    [
      'text for an integer',
      { type: 'integer' },
      'x',
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "string": spec.f in body must be of type integer: "string"',
        notChecked,
      ],
    ],
    [
      'a boolean for a 32-bit integer',
      { type: 'integer', format: 'int32' },
      true,
      ['FieldValueTypeInvalid spec.f: Invalid value: "": spec.f in body must be of type int32: ""', notChecked],
    ],
    [
      'a fraction for an integer',
      { type: 'integer' },
      1.5,
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "number": spec.f in body must be of type integer: "number"',
        notChecked,
      ],
    ],
    [
      'an integer for text',
      { type: 'string' },
      1,
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "integer": spec.f in body must be of type string: "integer"',
        notChecked,
      ],
    ],
    [
      'a list for an object',
      { type: 'object' },
      [],
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "array": spec.f in body must be of type object: "array"',
        notChecked,
      ],
    ],
    [
      'null',
      { type: 'boolean' },
      null,
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "null": spec.f in body must be of type boolean: "null"',
        notChecked,
      ],
    ],
    [
      'a value outside the enum',
      { type: 'string', enum: ['A', 'B'] },
      'X',
      ['FieldValueNotSupported spec.f: Unsupported value: "X": supported values: "A", "B"', notChecked],
    ],
    [
      'text that is too long',
      { type: 'string', maxLength: 3 },
      'abcd',
      ['FieldValueTooLong spec.f: Too long: may not be more than 3 bytes', notChecked],
    ],
    [
      'text that is too short',
      { type: 'string', minLength: 1 },
      '',
      ['FieldValueInvalid spec.f: Invalid value: "": spec.f in body should be at least 1 chars long'],
    ],
    [
      'text of another pattern',
      { type: 'string', pattern: '^a+$' },
      'b',
      [`FieldValueInvalid spec.f: Invalid value: "b": spec.f in body should match '^a+$'`],
    ],
    [
      'a time that is none',
      { type: 'string', format: 'date-time' },
      'now',
      [
        'FieldValueTypeInvalid spec.f: Invalid value: "now": spec.f in body must be of type date-time: "now"',
        notChecked,
      ],
    ],
    [
      'a list that is too long',
      { type: 'array', maxItems: 1, items: { type: 'string' } },
      ['a', 'b'],
      ['FieldValueTooMany spec.f: Too many: 2: must have at most 1 item', notChecked],
    ],
    [
      'a list that is too short',
      { type: 'array', minItems: 1, items: { type: 'string' } },
      [],
      ['FieldValueInvalid spec.f: Invalid value: 0: spec.f in body should have at least 1 items'],
    ],
    [
      'an item',
      { type: 'array', items: object({ n: count }) },
      [{ n: 1 }, { n: -1 }],
      ['FieldValueInvalid spec.f[1].n: Invalid value: -1: spec.f[1].n in body should be greater than or equal to 0'],
    ],
    [
      'a value of a map',
      { type: 'object', additionalProperties: count },
      { a: -1 },
      ['FieldValueInvalid spec.f.a: Invalid value: -1: spec.f.a in body should be greater than or equal to 0'],
    ],
    [
      'a missing field',
      object({}, { required: ['a'] }),
      {},
      ['FieldValueRequired spec.f.a: Required value', notChecked],
    ],
    [
      'two items with one key',
      {
        type: 'array',
        items: object({ n: { type: 'string' } }),
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['n'],
      },
      [{ n: 'a' }, { n: 'a' }],
      ['FieldValueDuplicate spec.f[1]: Duplicate value: {"n":"a"}'],
    ],
    [
      'neither integer nor text',
      { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
      true,
      ['FieldValueInvalid spec.f: Invalid value: true: "spec.f" must validate at least one schema (anyOf)'],
    ],
  ];
  for (const [what, schema, value, expected] of table) {
    it(`words ${what} as a server does`, () =>
      assert.deepEqual(messages(spec({ f: schema }), { spec: { f: value } }), expected));
  }

  it('takes an integer for a number and a whole float for an integer', () => {
    const schema = spec({ a: { type: 'number', format: 'double' }, b: { type: 'integer', format: 'int64' } });
    assert.deepEqual(messages(schema, { spec: { a: 1, b: 5 } }), []);
  });

  it('names all causes, in one go', () => {
    const schema = spec({ a: count, b: count }, { required: ['c'] });
    assert.deepEqual(
      validate(schema, { spec: { a: -1, b: 11 } }).map((c) => c.field),
      ['spec.a', 'spec.b', 'spec.c', '<nil>'],
    );
  });

  it('checks the metadata that no definition describes', () => {
    assert.deepEqual(
      validate(spec({}), { metadata: { name: 'a', labels: { x: 1 } } }).map((c) => c.field),
      ['metadata.labels.x', '<nil>'],
    );
  });

  it('leaves alone what an update does not change', () => {
    const schema = spec({ a: count, b: count });
    assert.deepEqual(messages(schema, { spec: { a: -1, b: 2 } }, { spec: { a: -1, b: 1 } }), []);
    assert.equal(messages(schema, { spec: { a: -2, b: 2 } }, { spec: { a: -1, b: 1 } }).length, 1);
  });
});

describe('validation rules', () => {
  const rule = (rule: string, more: object = {}) => ({ 'x-kubernetes-validations': [{ rule, ...more }] });
  const int: StructuralSchema = { type: 'integer' };

  it('computes with integers as integers', () => {
    const schema = spec({ a: int, b: int }, rule('self.a % self.b == 0 && self.a / 2 == 4', { message: 'no' }));
    assert.deepEqual(messages(schema, { spec: { a: 9, b: 3 } }), []);
    assert.deepEqual(messages(schema, { spec: { a: 10, b: 3 } }), ['FieldValueInvalid spec: Invalid value: no']);
  });

  it('reports at the field path, for the reason given', () => {
    const forbidden = { message: 'not now', fieldPath: '.a', reason: 'FieldValueForbidden' };
    assert.deepEqual(messages(spec({ a: int }, rule('!has(self.a)', forbidden)), { spec: { a: 1 } }), [
      'FieldValueForbidden spec.a: Forbidden: not now',
    ]);
    const required = { message: 'give it', fieldPath: '.a', reason: 'FieldValueRequired' };
    assert.deepEqual(messages(spec({ a: int }, rule('has(self.a)', required)), { spec: {} }), [
      'FieldValueRequired spec.a: Required value: give it',
    ]);
  });

  it('prints a scalar, no object', () => {
    assert.deepEqual(
      messages(spec({ a: { ...int, ...rule('self > 3', { message: 'too few' }) } }), { spec: { a: 1 } }),
      ['FieldValueInvalid spec.a: Invalid value: 1: too few'],
    );
  });

  it('names the rule where there is no message', () => {
    assert.deepEqual(messages(spec({ a: int }, rule('self.a > 3')), { spec: { a: 1 } }), [
      'FieldValueInvalid spec: Invalid value: failed rule: self.a > 3',
    ]);
  });

  it('evaluates a message expression', () => {
    const schema = spec({ a: int }, rule('self.a > 3', { messageExpression: '"got " + string(self.a)' }));
    assert.deepEqual(messages(schema, { spec: { a: 1 } }), ['FieldValueInvalid spec: Invalid value: got 1']);
  });

  it('applies transition rules to updates only', () => {
    const schema = spec({ a: { ...int, ...rule('self == oldSelf', { message: 'fixed' }) } });
    assert.deepEqual(messages(schema, { spec: { a: 1 } }), []);
    assert.deepEqual(messages(schema, { spec: { a: 1 } }, { spec: {} }), []);
    assert.deepEqual(messages(schema, { spec: { a: 2 } }, { spec: { a: 1 } }), [
      'FieldValueInvalid spec.a: Invalid value: 2: fixed',
    ]);
  });

  it('does not hold a broken rule against what stays as it was', () => {
    const schema = spec({ a: { ...object({ x: int }), ...rule('self.x > 3', { message: 'few' }) }, b: int });
    assert.deepEqual(messages(schema, { spec: { a: { x: 1 }, b: 2 } }, { spec: { a: { x: 1 }, b: 1 } }), []);
    assert.equal(messages(schema, { spec: { a: { x: 2 }, b: 2 } }, { spec: { a: { x: 1 }, b: 1 } }).length, 1);
  });

  it('matches items of a list by their keys', () => {
    const item = object({ n: { type: 'string' }, v: { ...int, ...rule('self >= oldSelf', { message: 'back' }) } });
    const schema = spec({
      l: { type: 'array', items: item, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'] },
    });
    const before = {
      spec: {
        l: [
          { n: 'a', v: 1 },
          { n: 'b', v: 5 },
        ],
      },
    };
    assert.deepEqual(
      messages(
        schema,
        {
          spec: {
            l: [
              { n: 'b', v: 5 },
              { n: 'a', v: 2 },
            ],
          },
        },
        before,
      ),
      [],
    );
    assert.deepEqual(messages(schema, { spec: { l: [{ n: 'b', v: 4 }] } }, before), [
      'FieldValueInvalid spec.l[0].v: Invalid value: 4: back',
    ]);
  });

  it('sees times, maps, reserved names and unknown fields', () => {
    const schema = spec(
      {
        t: { type: 'string', format: 'date-time' },
        m: { type: 'object', additionalProperties: int },
        namespace: { type: 'string' },
        o: object({}, { 'x-kubernetes-preserve-unknown-fields': true }),
      },
      rule(
        "self.t < timestamp('2030-01-01T00:00:00Z') && self.m['a'] == 1 && self.__namespace__ == 'x' && (self.o == oldSelf.o)",
        { message: 'no' },
      ),
    );
    const value = { spec: { t: '2026-01-31T12:00:00Z', m: { a: 1 }, namespace: 'x', o: { u: [1.5, 'x', null] } } };
    assert.deepEqual(messages(schema, value, { spec: { ...value.spec, m: { a: 2 } } }), []);
    assert.equal(messages(schema, value, { spec: { ...value.spec, o: { u: [1.5, 'y', null] } } }).length, 1);
  });

  it('reports what goes wrong inside a rule', () => {
    assert.deepEqual(messages(spec({ a: int }, rule('self.a > 1', { message: 'm' })), { spec: {} }), [
      'FieldValueInvalid spec: Invalid value: no such key: a evaluating rule: m',
    ]);
    assert.match(messages(spec({}, rule('self.(')), { spec: {} })[0] ?? '', /Invalid value: rule compile error: /);
  });
});
