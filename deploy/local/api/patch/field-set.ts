import { isObject, type Json, type JsonObject, jsonEqual } from '../object.ts';
import { setField } from './merge.ts';
import type { Shape } from './shape.ts';

/** Steps to a field, as managedFields write them: `f:name`, `k:{"name":"a"}`, `v:"x"`. */
export type FieldPath = readonly string[];

/** A field in a value: a container holds further fields, a leaf is owned as a whole. */
export interface Field {
  path: FieldPath;
  container: boolean;
  value: Json;
}

/** Fields by the text of their path. */
export type FieldSet = Map<string, FieldPath>;

/** Text of a path, unique. */
export function pathKey(path: FieldPath): string {
  return path.join('\0');
}

/** True if `inner` lies below `outer`. Both are texts of paths. */
export function isBelow(inner: string, outer: string): boolean {
  return inner.startsWith(`${outer}\0`);
}

/** Text of a key, the same for every order of its fields. */
function keyStep(key: JsonObject): string {
  const sorted = Object.fromEntries(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `k:${JSON.stringify(sorted)}`;
}

/** Step to an item of a list that is divided; undefined if the list counts as one field. */
export function itemStep(item: Json, shape: Shape): string | undefined {
  if (shape.list === 'set') return `v:${JSON.stringify(item)}`;
  const key = shape.list === 'map' ? shape.itemKey(item) : undefined;
  return key === undefined ? undefined : keyStep(key);
}

/** True if the value is one field: a plain value, an empty container, or one whose shape says so. */
export function isLeaf(value: Json, shape: Shape): boolean {
  if (Array.isArray(value)) return value.length === 0 || value.some((item) => itemStep(item, shape) === undefined);
  if (isObject(value)) return shape.atomicMap || Object.keys(value).length === 0;
  return true;
}

/** All fields of a value, containers before what they hold. */
export function fieldsOf(value: Json, shape: Shape): Map<string, Field> {
  const found = new Map<string, Field>();
  const visit = (value: Json, shape: Shape, path: FieldPath): void => {
    const container = !isLeaf(value, shape);
    if (path.length > 0) found.set(pathKey(path), { path, container, value });
    if (!container) return;
    if (Array.isArray(value)) for (const item of value) visit(item, shape.item(), [...path, itemStep(item, shape)!]);
    else if (isObject(value)) {
      for (const [name, child] of Object.entries(value)) visit(child, shape.field(name), [...path, `f:${name}`]);
    }
  };
  visit(value, shape, []);
  return found;
}

/** What an applied configuration claims: its leaves and the items of its lists, not the containers around them. */
export function appliedFields(value: Json, shape: Shape): FieldSet {
  const set: FieldSet = new Map();
  for (const [key, field] of fieldsOf(value, shape)) {
    if (!field.container || field.path.at(-1)?.startsWith('k:') === true) set.set(key, field.path);
  }
  return set;
}

/** Fields that are new or differ in `after`, and fields that only `before` has. */
export function difference(before: Json, after: Json, shape: Shape): { changed: FieldSet; removed: FieldSet } {
  const old = fieldsOf(before, shape);
  const now = fieldsOf(after, shape);
  const changed: FieldSet = new Map();
  const removed: FieldSet = new Map();
  for (const [key, field] of now) {
    const previous = old.get(key);
    const same =
      previous !== undefined && (previous.container || field.container || jsonEqual(previous.value, field.value));
    if (!same) changed.set(key, field.path);
  }
  for (const [key, field] of old) if (!now.has(key)) removed.set(key, field.path);
  return { changed, removed };
}

/** The set in the FieldsV1 form of managedFields. */
export function encodeFields(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  const keys = [...set.keys()].sort();
  const containers = new Set(
    keys.flatMap((key) =>
      set
        .get(key)!
        .slice(0, -1)
        .map((_, index) => pathKey(set.get(key)!.slice(0, index + 1))),
    ),
  );
  for (const key of keys) {
    let node = root;
    for (const step of set.get(key)!) {
      if (!Object.hasOwn(node, step)) setField(node, step, {});
      node = node[step] as JsonObject;
    }
    if (containers.has(key)) node['.'] = {};
  }
  return root;
}

/** The set that a FieldsV1 object stands for. */
export function decodeFields(fields: JsonObject): FieldSet {
  const set: FieldSet = new Map();
  const visit = (node: JsonObject, path: FieldPath): void => {
    const steps = Object.keys(node);
    if (path.length > 0 && (steps.length === 0 || steps.includes('.'))) set.set(pathKey(path), path);
    for (const step of steps) {
      const child = node[step];
      if (step !== '.' && isObject(child)) visit(child, [...path, normalized(step)]);
    }
  };
  visit(fields, []);
  return set;
}

function normalized(step: string): string {
  if (!step.startsWith('k:')) return step;
  try {
    const key = JSON.parse(step.slice(2)) as Json;
    return isObject(key) ? keyStep(key) : step;
  } catch {
    return step;
  }
}

/** A path as an error message shows it: `.spec.containers[name="a"].image`. */
export function printPath(path: FieldPath): string {
  return path
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      if (step.startsWith('v:')) return `[=${step.slice(2)}]`;
      const key = JSON.parse(step.slice(2)) as JsonObject;
      const parts = Object.entries(key).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      return `[${parts.join(',')}]`;
    })
    .join('');
}
