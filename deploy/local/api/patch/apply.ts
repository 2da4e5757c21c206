import { applyConflict } from '../errors.ts';
import { isObject, type Json, type JsonObject, type ManagedFieldsEntry } from '../object.ts';
import {
  appliedFields,
  difference,
  type FieldPath,
  type FieldSet,
  isBelow,
  isLeaf,
  itemStep,
  pathKey,
  printPath,
} from './field-set.ts';
import { fieldsOfEntry, isOf, ordered, ownEntry, type Writer, withFields, without } from './managed-fields.ts';
import { setField } from './merge.ts';
import type { Shape } from './shape.ts';

/** Outcome of the merge of a server-side apply, before the server's defaults. */
export interface Applied {
  value: JsonObject;
  /** Ownership with respect to `value`; see {@link settleOwnership} for what defaults and pruning change afterwards. */
  entries: ManagedFieldsEntry[];
}

/**
 * Server-side apply on the ownable part of an object: sets what `config` holds, removes what the same manager applied
 * before and holds no more (unless another owns it), and refuses with 409 to change what others own, unless `force`.
 * Source: KEP-555.
 */
export function applyConfiguration(
  live: JsonObject,
  config: JsonObject,
  entries: readonly ManagedFieldsEntry[],
  writer: Writer,
  shape: Shape,
  force: boolean,
): Applied {
  const own = entries.find((entry) => isOf(entry, writer));
  const others = entries.filter((entry) => entry !== own);
  const claimed = appliedFields(config, shape);
  const merged = merge(live, config, shape) as JsonObject;
  const { changed } = difference(live, merged, shape);

  const conflicts = others.flatMap((entry) =>
    [...fieldsOfEntry(entry)]
      .filter(([key]) => changed.has(key) && claimed.has(key))
      .map(([, path]) => ({ owner: printOwner(entry), field: printPath(path) })),
  );
  if (conflicts.length > 0 && !force) throw applyConflict(conflicts);

  const owned: FieldSet = new Map([...claimed, ...others.flatMap((entry) => [...fieldsOfEntry(entry)])]);
  const value = dropFields(merged, own === undefined ? new Map() : fieldsOfEntry(own), owned, shape);
  return { value, entries: settleOwnership(live, value, [...others, ownEntry(writer, claimed, own)], writer, shape) };
}

/** Takes from all other managers what differs between `before` and `after`. */
export function settleOwnership(
  before: JsonObject,
  after: JsonObject,
  entries: readonly (ManagedFieldsEntry | undefined)[],
  writer: Writer,
  shape: Shape,
): ManagedFieldsEntry[] {
  const { changed, removed } = difference(before, after, shape);
  return ordered(
    entries.map((entry) => {
      if (entry === undefined || isOf(entry, writer)) return entry;
      const fields = fieldsOfEntry(entry);
      const left = without(fields, changed, removed);
      return left.size === fields.size ? entry : withFields(entry, left);
    }),
  );
}

function printOwner(entry: ManagedFieldsEntry): string {
  const through = entry.subresource === undefined ? '' : ` with subresource "${entry.subresource}"`;
  if (entry.operation === 'Apply') return `"${entry.manager}"${through}`;
  return `"${entry.manager}"${through} using ${entry.apiVersion}${entry.time === undefined ? '' : ` at ${entry.time}`}`;
}

/** Objects merge by field, lists by key or value where the shape says so; everything else is replaced. */
function merge(live: Json | undefined, applied: Json, shape: Shape): Json {
  if (isObject(live) && isObject(applied) && !shape.atomicMap) {
    const result = { ...live };
    for (const [name, value] of Object.entries(applied)) {
      setField(result, name, merge(Object.hasOwn(live, name) ? live[name] : undefined, value, shape.field(name)));
    }
    return result;
  }
  if (Array.isArray(live) && Array.isArray(applied) && applied.length > 0 && !isLeaf(applied, shape)) {
    const result = [...live];
    for (const item of applied) {
      const step = itemStep(item, shape);
      const at = result.findIndex((other) => itemStep(other, shape) === step);
      if (at < 0) result.push(item);
      else result[at] = merge(result[at], item, shape.item());
    }
    return result;
  }
  return applied;
}

/** Removes `fields` that nobody owns now; a container stays while something below it is owned. */
function dropFields(value: JsonObject, fields: FieldSet, owned: FieldSet, shape: Shape): JsonObject {
  const ownedKeys = [...owned.keys()];
  const gone = new Set(
    [...fields.keys()].filter((key) => !owned.has(key) && !ownedKeys.some((other) => isBelow(other, key))),
  );
  if (gone.size === 0) return value;
  const left = dropBelow(value, [], shape, gone, owned);
  return isObject(left) ? left : {};
}

/** What is left of a value; undefined if it goes. All in one pass: an item that loses its key fields is still found by them. */
function dropBelow(
  value: Json,
  path: FieldPath,
  shape: Shape,
  gone: ReadonlySet<string>,
  owned: FieldSet,
): Json | undefined {
  const key = pathKey(path);
  if (gone.has(key)) return undefined;
  if (isLeaf(value, shape)) return value;
  let left: Json = value;
  if (Array.isArray(value)) {
    left = value.flatMap((item) => dropBelow(item, [...path, itemStep(item, shape)!], shape.item(), gone, owned) ?? []);
  } else if (isObject(value)) {
    const kept: JsonObject = {};
    for (const [name, child] of Object.entries(value)) {
      const rest = dropBelow(child, [...path, `f:${name}`], shape.field(name), gone, owned);
      if (rest !== undefined) setField(kept, name, rest);
    }
    left = kept;
  }
  // A container goes with its last field, unless somebody owns the container itself.
  const empty = typeof left === 'object' && left !== null && Object.keys(left).length === 0;
  return empty && path.length > 0 && !owned.has(key) ? undefined : left;
}
