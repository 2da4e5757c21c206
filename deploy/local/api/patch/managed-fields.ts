import { isObject, type Json, type JsonObject, type KubeObject, type ManagedFieldsEntry } from '../object.ts';
import { decodeFields, difference, encodeFields, type FieldSet, isBelow } from './field-set.ts';
import type { Shape } from './shape.ts';

/** Who writes: fields are owned per manager, operation and subresource. */
export interface Writer {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource?: string;
  /** Time of the write as Kubernetes writes it. */
  time: string;
}

const ownedMetadata = ['labels', 'annotations', 'finalizers', 'ownerReferences'];

/** The part of an object that can be owned: no identity, of the metadata only what people set. */
export function ownable(object: KubeObject): JsonObject {
  const { apiVersion: _, kind: __, metadata, ...rest } = object;
  const owned: JsonObject = {};
  for (const name of ownedMetadata) {
    const value = (metadata as unknown as Record<string, Json | undefined>)[name];
    if (value !== undefined) owned[name] = value;
  }
  return { ...(Object.keys(owned).length === 0 ? {} : { metadata: owned }), ...(rest as JsonObject) };
}

/** True if an entry belongs to the writer. */
export function isOf(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === writer.operation &&
    (entry.subresource ?? '') === (writer.subresource ?? '')
  );
}

/** The fields of an entry. */
export function fieldsOfEntry(entry: ManagedFieldsEntry): FieldSet {
  return decodeFields(isObject(entry.fieldsV1) ? entry.fieldsV1 : {});
}

/** The entry with other fields; undefined if none are left. */
export function withFields(entry: ManagedFieldsEntry, fields: FieldSet): ManagedFieldsEntry | undefined {
  return fields.size === 0 ? undefined : { ...entry, fieldsType: 'FieldsV1', fieldsV1: encodeFields(fields) };
}

/** The writer's own entry with these fields; the time of `before` stays if the fields do. */
export function ownEntry(
  writer: Writer,
  fields: FieldSet,
  before: ManagedFieldsEntry | undefined,
): ManagedFieldsEntry | undefined {
  if (fields.size === 0) return undefined;
  const old = before === undefined ? undefined : fieldsOfEntry(before);
  const same = old !== undefined && old.size === fields.size && [...fields.keys()].every((key) => old.has(key));
  if (same && before !== undefined) return before;
  return {
    manager: writer.manager,
    operation: writer.operation,
    apiVersion: writer.apiVersion,
    time: writer.time,
    fieldsType: 'FieldsV1',
    fieldsV1: encodeFields(fields),
    ...(writer.subresource === undefined ? {} : { subresource: writer.subresource }),
  };
}

/** Entries in the order of a real server: applied ones first, then by time, then by name. */
export function ordered(entries: readonly (ManagedFieldsEntry | undefined)[]): ManagedFieldsEntry[] {
  const rank = (e: ManagedFieldsEntry): string => `${e.operation} ${e.time ?? ''} ${e.manager} ${e.subresource ?? ''}`;
  return entries.filter((e) => e !== undefined).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** The fields without those that are lost: a removed field takes what is below it along. */
export function without(fields: FieldSet, changed: FieldSet, removed: FieldSet): FieldSet {
  const gone = [...removed.keys()];
  return new Map([...fields].filter(([key]) => !changed.has(key) && !gone.some((r) => key === r || isBelow(key, r))));
}

/**
 * Ownership after a write that is no apply: what it set is the writer's alone, what it removed is nobody's. `entries` is
 * the ownership that the object had, or that the request asks for.
 */
export function trackUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  entries: readonly ManagedFieldsEntry[],
  writer: Writer,
  shape: Shape,
): ManagedFieldsEntry[] {
  const { changed, removed } = difference(before === undefined ? {} : ownable(before), ownable(after), shape);
  if (changed.size === 0 && removed.size === 0) return [...entries];
  const own = entries.find((entry) => isOf(entry, writer));
  const others = entries
    .filter((entry) => entry !== own)
    .map((entry) => {
      const fields = fieldsOfEntry(entry);
      const left = without(fields, changed, removed);
      return left.size === fields.size ? entry : withFields(entry, left);
    });
  const kept = own === undefined ? new Map() : without(fieldsOfEntry(own), new Map(), removed);
  return ordered([...others, ownEntry(writer, new Map([...kept, ...changed]), own)]);
}
