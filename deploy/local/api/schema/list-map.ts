import { isObject, jsonEqual } from '../object.ts';

/** The part of an item that tells it from the others: the item itself, or its keys in a list that is a map. */
export function identity(keys: readonly string[] | undefined, item: unknown): unknown {
  if (keys === undefined) return item;
  return Object.fromEntries(keys.map((key) => [key, isObject(item) ? item[key] : undefined]));
}

/** The old item that is the same one; only lists with keys know which that is. */
export function counterpart(keys: readonly string[] | undefined, item: unknown, old: unknown): unknown {
  if (keys === undefined || !Array.isArray(old)) return undefined;
  return old.find((other) => jsonEqual(identity(keys, other), identity(keys, item)));
}
