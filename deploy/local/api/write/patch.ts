import { readObject } from '../admission.ts';
import { type Backend, storeKey } from '../backend.ts';
import { badRequest, conflict, invalid, unsupportedMediaType } from '../errors.ts';
import { isObject, type Json, type JsonObject, type KubeObject, type ObjectMeta } from '../object.ts';
import { applyConfiguration, settleOwnership } from '../patch/apply.ts';
import { jsonPatch } from '../patch/json.ts';
import { ownable } from '../patch/managed-fields.ts';
import { mergePatch } from '../patch/merge.ts';
import { strategicPatch } from '../patch/strategic.ts';
import type { WriteRequest } from '../request.ts';
import type { ResourceType } from '../resources.ts';
import { newObject, storeNew } from './create.ts';
import { shapeOf, writer } from './ownership.ts';
import { liveObject, nextObject, storeNext, updateObject } from './update.ts';

/** Media types of patches that a type accepts; a strategic patch needs to know the kind's lists. */
export function patchTypes(type: ResourceType): string[] {
  return [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(type.schema === undefined ? ['application/strategic-merge-patch+json'] : []),
    'application/apply-patch+yaml',
  ];
}

/** PATCH of any type but server-side apply. Throws 415 for a type that the kind does not take. */
export function patchObject(backend: Backend, request: WriteRequest, mediaType: string, body: Json): KubeObject {
  if (!patchTypes(request.type).includes(mediaType)) throw unsupportedMediaType(patchTypes(request.type));
  const live = liveObject(backend, request);
  const document = live as unknown as JsonObject;
  const patched = patchDocument(document, mediaType, body);
  if (!isObject(patched)) throw badRequest('the patch leaves no object');
  return updateObject(backend, request, live, readObject(unversioned(patched, live, body), request));
}

/** Applies one of the three patches. */
export function patchDocument(document: JsonObject, mediaType: string, body: Json): Json {
  if (mediaType === 'application/json-patch+json') return jsonPatch(document, body);
  if (!isObject(body)) throw badRequest('the body of a merge patch must be one object');
  return mediaType === 'application/merge-patch+json' ? mergePatch(document, body) : strategicPatch(document, body);
}

/** A patched document carries the live version unless the patch names one; that changes nothing. An emptied one is an absent one. */
function unversioned(patched: JsonObject, live: KubeObject, body: Json): JsonObject {
  const metadata = isObject(patched['metadata']) ? patched['metadata'] : {};
  // A patch may take the server's own fields away: they come back.
  const { uid, creationTimestamp } = live.metadata;
  const kept = { uid: uid ?? null, creationTimestamp: creationTimestamp ?? null, ...metadata } as JsonObject;
  const named = isObject(body) && isObject(body['metadata']) ? body['metadata']['resourceVersion'] : undefined;
  if (named === '' || named === null) delete kept['resourceVersion'];
  return { ...patched, metadata: { name: live.metadata.name, ...kept } };
}

/** Server-side apply: creates the object or merges the configuration into it. */
export function applyObject(
  backend: Backend,
  request: WriteRequest,
  body: Json,
  managerGiven: boolean,
): { object: KubeObject; created: boolean } {
  if (!managerGiven) {
    const options = { group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' };
    const message = 'Required value: is required for apply patch';
    throw invalid(options, '', [{ reason: 'FieldValueRequired', message, field: 'fieldManager' }]);
  }
  const { type, namespace, name = '' } = request;
  const read = readObject(body, request);
  if (read.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
  if (read.metadata.name !== '' && read.metadata.name !== name) {
    throw badRequest(`the name of the object (${read.metadata.name}) does not match the name on the URL (${name})`);
  }
  const wanted: KubeObject = { ...read, metadata: { ...read.metadata, name } };
  const live = backend.store.get(storeKey(type), namespace, name);
  const shape = shapeOf(type);
  const self = writer(backend, request, 'Apply');
  const config = configuration(request, wanted);
  if (live === undefined) {
    if (request.subresource !== undefined) liveObject(backend, request);
    const object = newObject(backend, request, wanted);
    const { entries } = applyConfiguration({}, config, [], self, shape, false);
    return { object: storeNew(backend, request, object, entries), created: true };
  }
  const { uid, resourceVersion } = wanted.metadata;
  const before = ownable(live);
  const applied = applyConfiguration(before, config, live.metadata.managedFields ?? [], self, shape, request.force);
  const next = nextObject(request, live, assembled(live, applied.value));
  checkVersion(request, live, uid, resourceVersion);
  const entries = settleOwnership(applied.value, ownable(next), applied.entries, self, shape);
  return { object: storeNext(backend, request, live, next, entries), created: false };
}

function checkVersion(request: WriteRequest, live: KubeObject, uid?: string, resourceVersion?: string): void {
  const stale = resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion;
  if (stale || (uid !== undefined && uid !== live.metadata.uid)) {
    throw conflict(request.type, live.metadata.name);
  }
}

/** What of the configuration this endpoint takes: /status the status alone, the other everything else. */
function configuration(request: WriteRequest, wanted: KubeObject): JsonObject {
  const { status, ...rest } = ownable(wanted);
  if (request.subresource === 'status') return status === undefined ? {} : { status };
  return request.type.status || status === undefined ? rest : { ...rest, status };
}

function assembled(live: KubeObject, value: JsonObject): KubeObject {
  const { metadata, ...rest } = value;
  const { labels: _, annotations: __, finalizers: ___, ownerReferences: ____, ...identity } = live.metadata;
  return {
    ...rest,
    apiVersion: live.apiVersion,
    kind: live.kind,
    metadata: { ...identity, ...((metadata ?? {}) as unknown as Partial<ObjectMeta>) },
  };
}
