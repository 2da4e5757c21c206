type Json = null | boolean | number | string | Json[] | { [field: string]: Json };

/**
 * The JSON merge patch (RFC 7386) that turns `before` into `after`, or undefined when they are equal.
 * Lists are replaced whole; a field that `after` lacks is removed with null.
 */
export function mergeDiff(before: object, after: object): object | undefined {
  const patch: Record<string, unknown> = {};
  const old = before as Record<string, Json | undefined>;
  const wanted = after as Record<string, Json | undefined>;
  for (const field of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
    const from = old[field];
    const to = wanted[field];
    if (to === undefined) {
      if (from !== undefined) patch[field] = null;
    } else if (isObject(from) && isObject(to)) {
      const inner = mergeDiff(from, to);
      if (inner !== undefined) patch[field] = inner;
    } else if (!equal(from, to)) patch[field] = to;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isObject(value: Json | undefined): value is { [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function equal(left: Json | undefined, right: Json | undefined): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, i) => equal(item, right[i]));
  }
  if (isObject(left) && isObject(right)) return mergeDiff(left, right) === undefined;
  return left === right;
}
