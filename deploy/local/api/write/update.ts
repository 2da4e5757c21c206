import { checkValid, readObject, withDefaults } from '../admission.ts';
import { type Backend, storeKey } from '../backend.ts';
import { badRequest, conflict, invalid, notFound } from '../errors.ts';
import { updatedMetadata } from '../metadata.ts';
import { isObject, type Json, jsonEqual, type KubeObject, type ManagedFieldsEntry } from '../object.ts';
import { trackUpdate } from '../patch/managed-fields.ts';
import type { WriteRequest } from '../request.ts';
import { hasGeneration } from './create.ts';
import { shapeOf, writer } from './ownership.ts';

/** The object of the request. Throws 404. */
export function liveObject(backend: Backend, request: Pick<WriteRequest, 'type' | 'namespace' | 'name'>): KubeObject {
  const { type, namespace, name = '' } = request;
  const live = backend.store.get(storeKey(type), namespace, name);
  if (live === undefined) throw notFound(type, name);
  return live;
}

/** PUT: the body replaces the object, or its status. */
export function replaceObject(backend: Backend, request: WriteRequest, body: Json): KubeObject {
  const wanted = readObject(body, request);
  const live = liveObject(backend, request);
  if (wanted.metadata.resourceVersion === undefined && request.type.schema !== undefined) {
    const message = 'Invalid value: 0: must be specified for an update';
    throw invalid(request.type, live.metadata.name, [
      { reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' },
    ]);
  }
  return updateObject(backend, request, live, wanted);
}

/** Writes what `wanted` changes of the live object, by every way but server-side apply. */
export function updateObject(
  backend: Backend,
  request: WriteRequest,
  live: KubeObject,
  wanted: KubeObject,
): KubeObject {
  const { type } = request;
  checkIdentity(request, live, wanted);
  const next = nextObject(request, live, wanted);
  const entries = trackUpdate(
    live,
    next,
    requestedEntries(live, wanted),
    writer(backend, request, 'Update'),
    shapeOf(type),
  );
  return storeNext(backend, request, live, next, entries);
}

/** Ownership that the request starts from: absent = as it was, one empty entry = reset, else as given. */
function requestedEntries(live: KubeObject, wanted: KubeObject): ManagedFieldsEntry[] {
  const given = wanted.metadata.managedFields;
  if (given === undefined || given.length === 0) return live.metadata.managedFields ?? [];
  return given.filter((entry) => typeof entry.manager === 'string' && isObject(entry.fieldsV1));
}

function checkIdentity(request: WriteRequest, live: KubeObject, wanted: KubeObject): void {
  const { type } = request;
  const { name, namespace, uid, resourceVersion } = wanted.metadata;
  if (name !== live.metadata.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${live.metadata.name})`);
  }
  if (namespace !== undefined && namespace !== live.metadata.namespace) {
    throw badRequest(
      `the namespace of the object (${namespace}) does not match the namespace on the request (${live.metadata.namespace})`,
    );
  }
  if (uid !== undefined && uid !== live.metadata.uid) {
    throw conflict(
      type,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion) throw conflict(type, name);
}

/**
 * The object after the write, with defaults, checked. /status takes only the status, everything else all but the status.
 * Throws 422.
 */
export function nextObject(request: WriteRequest, live: KubeObject, wanted: KubeObject): KubeObject {
  const { type, subresource } = request;
  const ofStatus = subresource === 'status';
  const { status: liveStatus, ...liveRest } = live;
  const { status: wantedStatus, ...wantedRest } = wanted;
  const status = ofStatus || !type.status ? wantedStatus : liveStatus;
  const candidate = withDefaults(type, {
    ...(ofStatus ? liveRest : { ...wantedRest, metadata: updatedMetadata(live.metadata, wanted.metadata) }),
    ...(status === undefined ? {} : { status }),
  });
  const added = (candidate.metadata.finalizers ?? []).filter((f) => !live.metadata.finalizers?.includes(f));
  if (live.metadata.deletionTimestamp !== undefined && added.length > 0) {
    const names = added.map((f) => JSON.stringify(f)).join(', ');
    const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${names}}`;
    throw invalid(type, live.metadata.name, [{ reason: 'FieldValueForbidden', message, field: 'metadata.finalizers' }]);
  }
  // A binding is the one write that may change what a pod was made with.
  checkValid(type, candidate, subresource === 'binding' ? undefined : live);
  if (!hasGeneration(type) || jsonEqual(wish(candidate), wish(live))) return candidate;
  return { ...candidate, metadata: { ...candidate.metadata, generation: (live.metadata.generation ?? 0) + 1 } };
}

/** What the generation counts: everything but metadata and status. */
function wish(object: KubeObject): object {
  const { metadata: _, status: __, ...rest } = object;
  return rest;
}

/** Stores the next state, unless nothing has changed. The write that takes the last finalizer of a deleted object removes it. */
export function storeNext(
  backend: Backend,
  request: WriteRequest,
  live: KubeObject,
  next: KubeObject,
  entries: readonly ManagedFieldsEntry[],
): KubeObject {
  const { managedFields: _, ...metadata } = next.metadata;
  const owned = {
    ...next,
    metadata: { ...metadata, ...(entries.length === 0 ? {} : { managedFields: [...entries] }) },
  };
  const key = storeKey(request.type);
  if (jsonEqual(withoutTimes(owned), withoutTimes(live))) return live;
  if (request.dryRun) return owned;
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = owned.metadata;
  if (
    deletionTimestamp !== undefined &&
    finalizers.length === 0 &&
    deletionGracePeriodSeconds === 0 &&
    request.type.plural !== 'namespaces'
  ) {
    return backend.store.remove(key, owned);
  }
  return backend.store.put(key, owned);
}

/** For the test whether anything has changed: the times of ownership do not count. */
function withoutTimes(object: KubeObject): object {
  const managedFields = object.metadata.managedFields?.map((entry) => ({ ...entry, time: '' }));
  return { ...object, metadata: { ...object.metadata, managedFields } };
}
