import { isObject, type Json, type JsonObject } from '../object.ts';

/** JSON merge patch (RFC 7386): objects merge, null removes, everything else replaces. Neither argument is changed. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else setField(result, field, mergePatch(Object.hasOwn(result, field) ? result[field] : undefined, value));
  }
  return result;
}

/** Sets a field of any name, `__proto__` too, as plain data. */
export function setField(object: JsonObject, field: string, value: Json): void {
  Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true });
}
