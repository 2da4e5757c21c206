import type { StructuralSchema } from '@hayate/crds/definition.ts';

/**
 * Fills in the defaults of a schema, those inside a default too, and removes nulls where null is not allowed: a null
 * counts as absent, so that it gets the default where there is one. The argument is left as it is.
 */
export function applyDefaults<T>(schema: StructuralSchema, value: T): T {
  return fill(schema, value) as T;
}

function fill(schema: StructuralSchema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    return value.map((item: unknown) =>
      fill(items, absent(items, item) && items.default !== undefined ? items.default : item),
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries([...present(schema, value), ...missing(schema, value)]);
}

function present(schema: StructuralSchema, value: object): [string, unknown][] {
  return Object.entries(value).flatMap(([name, field]): [string, unknown][] => {
    const child = Object.hasOwn(schema.properties ?? {}, name)
      ? schema.properties?.[name]
      : schema.additionalProperties;
    if (typeof child !== 'object') return [[name, field]];
    if (!absent(child, field)) return [[name, fill(child, field)]];
    return child.default === undefined ? [] : [[name, fill(child, structuredClone(child.default))]];
  });
}

function missing(schema: StructuralSchema, value: object): [string, unknown][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]): [string, unknown][] =>
    child.default === undefined || Object.hasOwn(value, name)
      ? []
      : [[name, fill(child, structuredClone(child.default))]],
  );
}

function absent(schema: StructuralSchema, value: unknown): boolean {
  return value === undefined || (value === null && schema.nullable !== true);
}
