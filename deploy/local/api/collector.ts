import type { OwnerReference } from '@hayate/crds/object-meta.ts';
import { type Backend, typeOfKey } from './backend.ts';
import type { KubeObject } from './object.ts';
import type { StoreEvent } from './store.ts';
import { deleteObject, foregroundFinalizer, withoutOwners } from './write/delete.ts';

const background = {
  propagation: 'Background',
  gracePeriodSeconds: undefined,
  uid: undefined,
  resourceVersion: undefined,
  dryRun: false,
} as const;

/**
 * Deletes what has lost its last owner, ends foreground deletions and empties namespaces that are being deleted. It works
 * after the write that gave it cause, never within it, until the returned function stops it.
 */
export function startCollector(backend: Backend): () => void {
  const events: StoreEvent[] = [];
  let scheduled: NodeJS.Immediate | undefined;
  const work = (): void => {
    scheduled = undefined;
    for (const event of events.splice(0)) handle(backend, event);
  };
  const stop = backend.store.listen((event) => {
    if (!concerns(event)) return;
    events.push(event);
    scheduled ??= setImmediate(work);
  });
  return () => {
    stop();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}

function concerns(event: StoreEvent): boolean {
  const { metadata } = event.object;
  return event.type === 'DELETED' || metadata.deletionTimestamp !== undefined || metadata.ownerReferences !== undefined;
}

function handle(backend: Backend, event: StoreEvent): void {
  const { namespace, name, uid, ownerReferences = [] } = event.object.metadata;
  if (event.type === 'DELETED') {
    for (const [key, object] of dependentsOf(backend, uid)) collect(backend, key, object);
    for (const { uid } of ownerReferences) {
      const owner = backend.store.byUid(uid);
      if (owner !== undefined) endForeground(backend, owner.resource, owner.object);
    }
    if (namespace !== undefined) emptyNamespace(backend, namespace);
    return;
  }
  const live = backend.store.get(event.resource, namespace, name);
  if (live === undefined || live.metadata.uid !== uid) return;
  if (live.metadata.ownerReferences !== undefined && live.metadata.deletionTimestamp === undefined) {
    collect(backend, event.resource, live);
  }
  if (live.metadata.finalizers?.includes(foregroundFinalizer) && live.metadata.deletionTimestamp !== undefined) {
    for (const [key, object] of dependentsOf(backend, uid)) remove(backend, key, object);
    endForeground(backend, event.resource, live);
  }
  if (event.resource === 'namespaces' && live.metadata.deletionTimestamp !== undefined) emptyNamespace(backend, name);
}

function dependentsOf(backend: Backend, uid: string | undefined): [key: string, object: KubeObject][] {
  return [...backend.store.everything()].filter(([, object]) =>
    object.metadata.ownerReferences?.some((ref) => ref.uid === uid),
  );
}

/** An object whose owners are all gone goes too; with one left it loses only the references. */
function collect(backend: Backend, key: string, object: KubeObject): void {
  const gone = (ref: OwnerReference): boolean => !lives(backend, object, ref);
  const owners = object.metadata.ownerReferences ?? [];
  if (!owners.some(gone)) return;
  if (owners.every(gone)) remove(backend, key, object);
  else backend.store.put(key, withoutOwners(object, gone));
}

/** An owner of a kind that this server does not have may live elsewhere: it is believed. */
function lives(backend: Backend, dependent: KubeObject, ref: OwnerReference): boolean {
  const group = ref.apiVersion.includes('/') ? ref.apiVersion.split('/')[0] : '';
  if (!backend.types.some((type) => type.group === group && type.kind === ref.kind)) return true;
  const owner = backend.store.byUid(ref.uid)?.object;
  if (owner === undefined) return false;
  return owner.metadata.namespace === undefined || owner.metadata.namespace === dependent.metadata.namespace;
}

function remove(backend: Backend, key: string, object: KubeObject): void {
  const type = typeOfKey(backend, key);
  const { namespace, name } = object.metadata;
  if (type === undefined || backend.store.get(key, namespace, name)?.metadata.uid !== object.metadata.uid) return;
  deleteObject(backend, { type, namespace, name }, background);
}

/** Takes the foreground finalizer off once no dependent blocks the owner. */
function endForeground(backend: Backend, key: string, owner: KubeObject): void {
  const { finalizers = [], deletionTimestamp, uid } = owner.metadata;
  if (deletionTimestamp === undefined || !finalizers.includes(foregroundFinalizer)) return;
  const blocks = (object: KubeObject): boolean =>
    object.metadata.ownerReferences?.some((ref) => ref.uid === uid && ref.blockOwnerDeletion === true) === true;
  if (dependentsOf(backend, uid).some(([, object]) => blocks(object))) return;
  const { finalizers: _, ...metadata } = owner.metadata;
  const left = finalizers.filter((finalizer) => finalizer !== foregroundFinalizer);
  const next = { ...owner, metadata: left.length === 0 ? metadata : { ...metadata, finalizers: left } };
  if (left.length === 0 && (metadata.deletionGracePeriodSeconds ?? 0) === 0) backend.store.remove(key, next);
  else backend.store.put(key, next);
}

/** Deletes what is left in a namespace that is being deleted, and the namespace with the last of it. */
function emptyNamespace(backend: Backend, namespace: string): void {
  const found = backend.store.get('namespaces', undefined, namespace);
  if (found?.metadata.deletionTimestamp === undefined) return;
  const contents = [...backend.store.everything()].filter(([, object]) => object.metadata.namespace === namespace);
  for (const [key, object] of contents) {
    if (object.metadata.deletionTimestamp === undefined) remove(backend, key, object);
  }
  const left = [...backend.store.everything()].some(([, object]) => object.metadata.namespace === namespace);
  if (left || (found.metadata.finalizers ?? []).length > 0) return;
  if (backend.store.get('namespaces', undefined, namespace) !== undefined) backend.store.remove('namespaces', found);
}
