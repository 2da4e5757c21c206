import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { pruneFields } from '@hayate/crds/prune.ts';
import { wholeObject } from './resource.ts';

/**
 * Removes the fields that the definition does not know from a whole object; metadata keeps the standard ones only.
 * `unknown` holds their paths, such as `spec.a[0].b`, in the order of the object. The argument is left as it is.
 */
export function prune<T>(schema: StructuralSchema, value: T): { value: T; unknown: string[] } {
  const unknown: string[] = [];
  return { value: pruneFields(wholeObject(schema), value, '', unknown) as T, unknown };
}
