import type { StructuralSchema } from './definition.ts';

const text: StructuralSchema = { type: 'string' };
const optional: StructuralSchema = { type: 'string', nullable: true };
const whole: StructuralSchema = { type: 'integer', nullable: true };
const time: StructuralSchema = { type: 'string', format: 'date-time', nullable: true };
const texts: StructuralSchema = { type: 'object', nullable: true, additionalProperties: optional };

/** Object metadata, which no custom resource definition describes; null counts as absent. Source: meta/v1 ObjectMeta. */
export const objectMeta: StructuralSchema = {
  type: 'object',
  properties: {
    name: optional,
    generateName: optional,
    namespace: optional,
    selfLink: optional,
    uid: optional,
    resourceVersion: optional,
    generation: whole,
    creationTimestamp: time,
    deletionTimestamp: time,
    deletionGracePeriodSeconds: whole,
    labels: texts,
    annotations: texts,
    finalizers: { type: 'array', nullable: true, items: text },
    ownerReferences: {
      type: 'array',
      nullable: true,
      items: {
        type: 'object',
        required: ['apiVersion', 'kind', 'name', 'uid'],
        properties: {
          apiVersion: text,
          kind: text,
          name: text,
          uid: text,
          controller: { type: 'boolean', nullable: true },
          blockOwnerDeletion: { type: 'boolean', nullable: true },
        },
      },
    },
    managedFields: {
      type: 'array',
      nullable: true,
      items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
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
