import type { StructuralSchema } from './definition.ts';

const text: StructuralSchema = { type: 'string' };
const time: StructuralSchema = { type: 'string', format: 'date-time' };
const texts: StructuralSchema = { type: 'object', additionalProperties: text };

/** Object metadata, which no custom resource definition describes. Source: meta/v1 ObjectMeta. */
export const objectMeta: StructuralSchema = {
  type: 'object',
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    selfLink: text,
    uid: text,
    resourceVersion: text,
    generation: { type: 'integer' },
    creationTimestamp: { ...time, nullable: true },
    deletionTimestamp: { ...time, nullable: true },
    deletionGracePeriodSeconds: { type: 'integer', nullable: true },
    labels: texts,
    annotations: texts,
    finalizers: { type: 'array', items: text },
    ownerReferences: {
      type: 'array',
      items: {
        type: 'object',
        required: ['apiVersion', 'kind', 'name', 'uid'],
        properties: {
          apiVersion: text,
          kind: text,
          name: text,
          uid: text,
          controller: { type: 'boolean' },
          blockOwnerDeletion: { type: 'boolean' },
        },
      },
    },
    managedFields: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  },
};

/**
 * A copy of `value` without the fields that `schema` does not know; their paths, such as `spec.a[0].b`, are appended
 * to `unknown`. Below an object that keeps unknown fields, the known ones are still looked into.
 */
export function pruneFields(schema: StructuralSchema, value: unknown, path: string, unknown: string[]): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    return value.map((item, index) => pruneFields(items, item, `${path}[${index}]`, unknown));
  }
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).flatMap(([name, field]) => {
    const known = fieldSchema(schema, name);
    const child = path === '' ? name : `${path}.${name}`;
    if (known === undefined) unknown.push(child);
    if (known === undefined) return [];
    return [[name, known === 'anything' ? field : pruneFields(known, field, child, unknown)] as const];
  });
  return Object.fromEntries(kept);
}

/** Schema of a field; undefined if there is no such field. */
export function fieldSchema(schema: StructuralSchema, name: string): StructuralSchema | 'anything' | undefined {
  const own = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name] : undefined;
  if (own !== undefined) return own;
  if (typeof schema.additionalProperties === 'object') return schema.additionalProperties;
  const anything = schema.additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  return anything ? 'anything' : undefined;
}
