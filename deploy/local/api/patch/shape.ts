import { isObject, type Json, type JsonObject } from '../object.ts';
import { coreListMerge, mergeKey } from './strategic.ts';

/** How a value is divided into fields that managers own one by one. */
export interface Shape {
  /** `map`: items are told apart by key; `set`: by value; `atomic`: the list is one field. */
  readonly list: 'map' | 'set' | 'atomic';
  /** True if an object is one field as a whole. */
  readonly atomicMap: boolean;
  /** Shape of a field of an object. */
  field(name: string): Shape;
  /** Shape of the items of a list. */
  item(): Shape;
  /** The key fields of an item; undefined if it lacks one: then the list counts as atomic. */
  itemKey(item: Json): JsonObject | undefined;
}

const atomicCoreMaps = new Set([
  'selector',
  'nodeSelector',
  'secretKeyRef',
  'configMapKeyRef',
  'fieldRef',
  'involvedObject',
]);

/** Shape of a core kind, told from the names of its fields. `name` is the field's own name, empty at the root. */
export function coreShape(name = ''): Shape {
  const merge = coreListMerge(name);
  return {
    list: merge.by === 'key' ? 'map' : merge.by === 'value' ? 'set' : 'atomic',
    atomicMap: atomicCoreMaps.has(name),
    field: coreShape,
    item: () => coreShape(`${name}[]`),
    itemKey(item) {
      const key = mergeKey(merge, [item]);
      if (key === undefined || !isObject(item)) return undefined;
      if (name === 'ports') return { [key]: item[key]!, protocol: item['protocol'] ?? 'TCP' };
      return { [key]: item[key]! };
    },
  };
}

/** Shape of a custom resource from its structural schema; its metadata has the shape of all metadata. */
export function schemaShape(schema: JsonObject | undefined, root = true): Shape {
  const listType = schema?.['x-kubernetes-list-type'];
  const keys = schema?.['x-kubernetes-list-map-keys'];
  const items = isObject(schema?.['items']) ? schema['items'] : undefined;
  return {
    list: listType === 'map' || listType === 'set' ? listType : 'atomic',
    atomicMap: schema?.['x-kubernetes-map-type'] === 'atomic',
    field(name) {
      if (root && name === 'metadata') return coreShape('metadata');
      const properties = schema?.['properties'];
      const named = isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
      const field = named ?? schema?.['additionalProperties'];
      return schemaShape(isObject(field) ? field : undefined, false);
    },
    item: () => schemaShape(items, false),
    itemKey(item) {
      if (!Array.isArray(keys) || !isObject(item)) return undefined;
      const key: JsonObject = {};
      for (const name of keys.filter((k) => typeof k === 'string')) {
        const properties = items?.['properties'];
        const property = isObject(properties) ? properties[name] : undefined;
        const value = item[name] ?? (isObject(property) ? property['default'] : undefined);
        if (value === undefined) return undefined;
        key[name] = value;
      }
      return key;
    },
  };
}
