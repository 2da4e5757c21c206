import { badRequest } from '../errors.ts';
import { isObject, type Json, type JsonObject, jsonEqual } from '../object.ts';
import { setField } from './merge.ts';

/** How a list of a core kind merges: by the value of one of these fields, as a set of plain values, or not at all. */
export type ListMerge = { by: 'key'; keys: readonly string[] } | { by: 'value' } | { by: 'nothing' };

const keyed = (...keys: string[]): ListMerge => ({ by: 'key', keys });

const listMerges: Readonly<Record<string, ListMerge>> = {
  containers: keyed('name'),
  initContainers: keyed('name'),
  ephemeralContainers: keyed('name'),
  env: keyed('name'),
  volumes: keyed('name'),
  imagePullSecrets: keyed('name'),
  secrets: keyed('name'),
  volumeMounts: keyed('mountPath'),
  volumeDevices: keyed('devicePath'),
  conditions: keyed('type'),
  ownerReferences: keyed('uid'),
  hostAliases: keyed('ip'),
  topologySpreadConstraints: keyed('topologyKey'),
  podIPs: keyed('ip'),
  // A container's port before a service's: the first key that the items have decides.
  ports: keyed('containerPort', 'port'),
  finalizers: { by: 'value' },
};

/** How the lists of core kinds merge, by the name of the field that holds the list. */
export function coreListMerge(field: string): ListMerge {
  return Object.hasOwn(listMerges, field) ? listMerges[field]! : { by: 'nothing' };
}

/** The merge key that these items use: the first of the keys that one of them has. */
export function mergeKey(merge: ListMerge, ...lists: readonly (readonly Json[])[]): string | undefined {
  if (merge.by !== 'key') return undefined;
  const items = lists.flat().filter(isObject);
  return merge.keys.find((key) => items.some((item) => Object.hasOwn(item, key)));
}

/**
 * Strategic merge patch of a core kind: like a merge patch, but lists merge by key, with the directives `$patch`
 * (delete, replace, merge), `$retainKeys`, `$setElementOrder/field` and `$deleteFromPrimitiveList/field`.
 * Neither argument is changed. Throws 400 for an unknown directive or an item without its key.
 */
export function strategicPatch(target: Json | undefined, patch: JsonObject): JsonObject {
  if (patch['$patch'] === 'delete') return {};
  if (patch['$patch'] === 'replace') return withoutDirectives(patch) as JsonObject;
  if (patch['$patch'] !== undefined && patch['$patch'] !== 'merge') {
    throw badRequest(`unknown $patch directive: ${JSON.stringify(patch['$patch'])}`);
  }
  const result: JsonObject = isObject(target) ? { ...target } : {};
  const retained = patch['$retainKeys'];
  if (Array.isArray(retained))
    for (const field of Object.keys(result)) if (!retained.includes(field)) delete result[field];
  for (const [field, value] of Object.entries(patch)) {
    if (field === '$patch' || field === '$retainKeys' || field.startsWith('$setElementOrder/')) continue;
    if (field.startsWith('$deleteFromPrimitiveList/')) {
      const list = field.slice('$deleteFromPrimitiveList/'.length);
      const gone = Array.isArray(value) ? value : [];
      const live = result[list];
      if (Array.isArray(live)) result[list] = live.filter((item) => !gone.some((g) => jsonEqual(g, item)));
    } else if (value === null) delete result[field];
    else if (isObject(value)) {
      const merged = strategicPatch(result[field], value);
      if (value['$patch'] === 'delete') delete result[field];
      else setField(result, field, merged);
    } else if (Array.isArray(value)) setField(result, field, patchList(field, result[field], value));
    else setField(result, field, value);
  }
  for (const [field, order] of Object.entries(patch)) {
    if (!field.startsWith('$setElementOrder/') || !Array.isArray(order)) continue;
    const list = field.slice('$setElementOrder/'.length);
    if (Array.isArray(result[list])) result[list] = inOrder(result[list], order, coreListMerge(list));
  }
  return result;
}

function patchList(field: string, target: Json | undefined, patch: Json[]): Json[] {
  const merge = coreListMerge(field);
  const live = Array.isArray(target) ? target : [];
  if (merge.by === 'nothing') return patch.map(withoutDirectives);
  if (merge.by === 'value') return [...live, ...patch.filter((item) => !live.some((l) => jsonEqual(l, item)))];
  const replace = patch.some(
    (item) => isObject(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1,
  );
  if (replace) return patch.filter((item) => !(isObject(item) && item['$patch'] === 'replace')).map(withoutDirectives);
  const key = mergeKey(merge, patch) ?? mergeKey(merge, live);
  const result = [...live];
  for (const item of patch) {
    const id = key === undefined || !isObject(item) ? undefined : item[key];
    if (key === undefined || !isObject(item) || id === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key ?? merge.keys[0]}`);
    }
    const at = result.findIndex((l) => isObject(l) && l[key] === id);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicPatch(result[at], item);
    else result.push(withoutDirectives(item));
  }
  return result;
}

/** Items named by the order come in that order; each other item keeps its place after the one it followed. */
function inOrder(list: readonly Json[], order: readonly Json[], merge: ListMerge): Json[] {
  const key = mergeKey(merge, order) ?? mergeKey(merge, list);
  const id = (item: Json): Json | undefined => (key !== undefined && isObject(item) ? item[key] : item);
  const rank = (item: Json): number => order.findIndex((o) => jsonEqual(id(o), id(item)));
  const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const result: Json[] = [...named];
  list.forEach((item, index) => {
    if (rank(item) >= 0) return;
    const before = list.slice(0, index).findLast((other) => result.includes(other));
    result.splice(before === undefined ? 0 : result.indexOf(before) + 1, 0, item);
  });
  return result;
}

function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isObject(item) && item['$patch'] === 'delete')).map(withoutDirectives);
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [field, item] of Object.entries(value)) {
    if (field === '$patch' || field === '$retainKeys' || /^\$(?:setElementOrder|deleteFromPrimitiveList)\//.test(field))
      continue;
    if (item !== null) setField(result, field, withoutDirectives(item));
  }
  return result;
}
