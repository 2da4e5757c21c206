import assert from 'node:assert/strict';
import { z } from 'zod';
import { StructuralError, toStructural } from './structural.ts';

const cel = { 'x-kubernetes-validations': [{ rule: 'true', message: 'always' }] };

describe('toStructural', () => {
  const accepted: [string, z.ZodType, unknown][] = [
    ['an integer without bounds', z.int(), { type: 'integer', format: 'int64' }],
    [
      'a 32-bit integer, whose format alone a server does not check',
      z.int32(),
      { type: 'integer', format: 'int32', minimum: -2147483648, maximum: 2147483647 },
    ],
    [
      'an exclusive bound as OpenAPI 3.0 writes it',
      z.number().gt(0),
      { type: 'number', minimum: 0, exclusiveMinimum: true },
    ],
    ['a time without its pattern', z.iso.datetime(), { type: 'string', format: 'date-time' }],
    [
      'a closed object without additionalProperties',
      z.strictObject({ a: z.string() }),
      { type: 'object', required: ['a'], properties: { a: { type: 'string' } } },
    ],
    ['an open object', z.looseObject({}), { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }],
    ['a map', z.record(z.string(), z.string()), { type: 'object', additionalProperties: { type: 'string' } }],
    ['two patterns', z.string().regex(/a/).regex(/b/), { type: 'string', allOf: [{ pattern: 'a' }, { pattern: 'b' }] }],
    [
      'an intersection of objects as one',
      z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() })),
      { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string' }, b: { type: 'string' } } },
    ],
    ['a literal as an enum of one', z.literal('a'), { type: 'string', enum: ['a'] }],
    [
      'a default, which makes the field optional',
      z.object({ a: z.boolean().default(true) }),
      { type: 'object', properties: { a: { type: 'boolean', default: true } } },
    ],
    [
      'a read-only object as a plain one',
      z.object({ a: z.string() }).readonly(),
      { type: 'object', required: ['a'], properties: { a: { type: 'string' } } },
    ],
    [
      'an integer or text, when marked',
      z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true }),
      { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
    ],
    [
      'a refinement with a CEL twin, also when the twin sits outside a default',
      z.object({
        a: z
          .object({ b: z.int().optional() })
          .refine(() => true)
          .default({})
          .meta(cel),
      }),
      {
        type: 'object',
        properties: {
          a: { type: 'object', default: {}, ...cel, properties: { b: { type: 'integer', format: 'int64' } } },
        },
      },
    ],
  ];
  for (const [what, schema, expected] of accepted) {
    it(`takes ${what}`, () => assert.deepEqual(toStructural(schema), expected));
  }

  const item = z.object({ type: z.string().optional() });
  const refused: [string, z.ZodType, RegExp][] = [
    ['an id', z.object({ a: z.object({ b: z.string() }).meta({ id: 'Part' }) }), /^a has an id and becomes a \$ref/],
    ['a tuple', z.object({ a: z.tuple([z.int(), z.string()]) }), /^a is a tuple/],
    ['a union', z.object({ a: z.union([z.int(), z.string()]) }), /^a is a union; give each branch/],
    [
      'a union with a default in a branch',
      z.discriminatedUnion('type', [
        z.object({ type: z.literal('a'), x: z.int().default(3) }),
        z.object({ type: z.literal('b') }),
      ]),
      /^the root is a union with a default in one branch/,
    ],
    [
      'named fields beside a catch-all',
      z.object({ a: z.object({ b: z.string() }).catchall(z.string()) }),
      /^a has named fields and a catch-all/,
    ],
    [
      'an intersection of scalars',
      z.object({ a: z.intersection(z.string().min(1), z.int()) }),
      /^a is an intersection/,
    ],
    ['a pattern with lookahead', z.object({ a: z.string().regex(/^(?=a)b/) }), /^a has a pattern with lookaround/],
    ['a pattern with flags', z.object({ a: z.string().regex(/a/i) }), /^a has a pattern with flags \(i\)/],
    [
      'a refinement without a CEL twin',
      z.object({ a: z.string().refine(() => true) }),
      /^a has a refinement without a CEL twin/,
    ],
    ['a transformation', z.object({ a: z.string().transform((s) => s.length) }), /^a is transformed/],
    ['anything at all', z.object({ a: z.any() }), /^a has no type/],
    ['null', z.object({ a: z.null() }), /^a allows null only/],
    ['a date', z.object({ a: z.date() }), /Date cannot be represented/],
    ['a set', z.object({ a: z.set(z.string()) }), /Set cannot be represented/],
    [
      'a default that violates its own schema',
      z.object({ a: z.object({ b: z.int().min(3).default(1) }) }),
      /^a\.b has a default that its own schema refuses/,
    ],
    [
      'a list keyed by a field that may be absent',
      z.object({ a: z.array(item).meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }) }),
      /^a is keyed by type, which must be required or have a default/,
    ],
  ];
  for (const [what, schema, problem] of refused) {
    it(`refuses ${what} and says where`, () => {
      assert.throws(
        () => toStructural(schema),
        (error) => {
          assert.ok(error instanceof StructuralError);
          assert.match(error.problems.join('\n'), problem);
          return true;
        },
      );
    });
  }

  it('names every problem at once', () => {
    const schema = z.object({ a: z.tuple([z.int()]), b: z.string().regex(/x/i), c: z.any() });
    assert.throws(
      () => toStructural(schema),
      (error) => (error as StructuralError).problems.length >= 3,
    );
  });
});
