import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { objectMeta } from '@hayate/crds/prune.ts';

/** One cause of an Invalid error: `field` is a path such as `spec.a[0].b`; reason and message as a real API server words them. */
export interface Cause {
  reason: string;
  message: string;
  field: string;
}

const wholes = new WeakMap<StructuralSchema, StructuralSchema>();

/** Schema of a whole object: a definition leaves out what every object has. */
export function wholeObject(schema: StructuralSchema): StructuralSchema {
  const known = wholes.get(schema);
  if (known !== undefined) return known;
  const text: StructuralSchema = { type: 'string' };
  const properties = { ...schema.properties, apiVersion: text, kind: text, metadata: objectMeta };
  const whole: StructuralSchema = { ...schema, type: 'object', properties };
  wholes.set(schema, whole);
  return whole;
}
