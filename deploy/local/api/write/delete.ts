import { type Backend, storeKey } from '../backend.ts';
import { badRequest, conflict, forbidden } from '../errors.ts';
import { isObject, type Json, type KubeObject, kubeTime } from '../object.ts';
import type { ResourceType } from '../resources.ts';
import { hasGeneration } from './create.ts';
import { liveObject } from './update.ts';

/** What becomes of the dependents: deleted afterwards, deleted before, kept without their owner. */
type Propagation = 'Background' | 'Foreground' | 'Orphan';

/** Options of a DELETE. */
export interface DeleteOptions {
  propagation: Propagation;
  gracePeriodSeconds: number | undefined;
  uid: string | undefined;
  resourceVersion: string | undefined;
  dryRun: boolean;
}

/** Finalizer of an object that waits for its dependents to go first. */
export const foregroundFinalizer = 'foregroundDeletion';

/** Namespaces that come with the server and stay. */
export const permanentNamespaces: readonly string[] = ['default', 'hayate-system', 'kube-system'];

/** Options from the body, or from the query where there is no body. Throws 400. */
export function deleteOptions(body: Json | undefined, query: URLSearchParams): DeleteOptions {
  const options = body ?? {};
  if (!isObject(options)) throw badRequest('the body of a DELETE must be one object, DeleteOptions');
  const propagation = options['propagationPolicy'] ?? query.get('propagationPolicy') ?? 'Background';
  if (propagation !== 'Background' && propagation !== 'Foreground' && propagation !== 'Orphan') {
    throw badRequest(
      `invalid propagationPolicy: ${JSON.stringify(propagation)}; known are Background, Foreground and Orphan`,
    );
  }
  const graceText = options['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds') ?? undefined;
  const grace = graceText === undefined ? undefined : Number(graceText);
  if (grace !== undefined && (!Number.isInteger(grace) || Math.abs(grace) > 2 ** 31)) {
    throw badRequest('gracePeriodSeconds must be a whole number of seconds');
  }
  const preconditions = isObject(options['preconditions']) ? options['preconditions'] : {};
  const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
  const dryRun = options['dryRun'] ?? query.getAll('dryRun');
  return {
    propagation,
    gracePeriodSeconds: grace === undefined ? undefined : Math.max(0, grace),
    uid: text(preconditions['uid']),
    resourceVersion: text(preconditions['resourceVersion']),
    dryRun: Array.isArray(dryRun) && dryRun.includes('All'),
  };
}

/** DELETE of one object: removed at once, or marked and kept until its finalizers and its grace period are over. */
export function deleteObject(
  backend: Backend,
  target: { type: ResourceType; namespace: string | undefined; name: string | undefined },
  options: DeleteOptions,
): { object: KubeObject; gone: boolean } {
  const { type } = target;
  const live = liveObject(backend, target);
  checkPreconditions(type, live, options);
  if (type.plural === 'namespaces' && permanentNamespaces.includes(live.metadata.name)) {
    throw forbidden(`namespaces "${live.metadata.name}" is forbidden: this namespace may not be deleted`, {
      name: live.metadata.name,
      kind: 'namespaces',
    });
  }
  const next = planDelete(type, live, options, backend.now());
  if (options.dryRun) return { object: next ?? live, gone: next === undefined };
  if (options.propagation === 'Orphan') orphanDependents(backend, live);
  if (next === undefined) return { object: backend.store.remove(storeKey(type), live), gone: true };
  return { object: next === live ? live : backend.store.put(storeKey(type), next), gone: false };
}

function checkPreconditions(type: ResourceType, live: KubeObject, options: DeleteOptions): void {
  const { name, uid, resourceVersion } = live.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(type, name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const stated = `ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict(type, name, `Precondition failed: ${stated}`);
  }
}

/** The object as it stays after a DELETE; itself if nothing changes, undefined if it goes at once. Pure. */
function planDelete(
  type: ResourceType,
  live: KubeObject,
  options: Pick<DeleteOptions, 'propagation' | 'gracePeriodSeconds'>,
  now: Date,
): KubeObject | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds: given = 0, finalizers: held = [] } = live.metadata;
  const wanted = graceSeconds(type, live, options.gracePeriodSeconds);
  // A later DELETE may shorten the grace period, never lengthen it.
  const grace = deletionTimestamp === undefined ? wanted : Math.min(wanted, given);
  const foreground = options.propagation === 'Foreground' && !held.includes(foregroundFinalizer);
  const finalizers = foreground && deletionTimestamp === undefined ? [...held, foregroundFinalizer] : held;
  if (finalizers.length === 0 && grace === 0 && type.plural !== 'namespaces') return undefined;
  if (deletionTimestamp !== undefined && grace === given) return live;
  const asked = deletionTimestamp === undefined ? now.getTime() : Date.parse(deletionTimestamp) - given * 1000;
  const { generation } = live.metadata;
  const marked: KubeObject = {
    ...live,
    metadata: {
      ...live.metadata,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      deletionTimestamp: kubeTime(new Date(asked + grace * 1000)),
      deletionGracePeriodSeconds: grace,
      ...(generation === undefined || !hasGeneration(type) || deletionTimestamp !== undefined
        ? {}
        : { generation: generation + 1 }),
    },
  };
  return type.plural === 'namespaces' ? { ...marked, status: { phase: 'Terminating' } } : marked;
}

/** Only a bound pod that has not finished gets time: its kubelet ends it. */
function graceSeconds(type: ResourceType, live: KubeObject, asked: number | undefined): number {
  if (type.group !== '' || type.plural !== 'pods') return 0;
  const spec = isObject(live['spec']) ? live['spec'] : {};
  const status = isObject(live['status']) ? live['status'] : {};
  const bound = typeof spec['nodeName'] === 'string' && spec['nodeName'] !== '';
  if (!bound || status['phase'] === 'Succeeded' || status['phase'] === 'Failed') return 0;
  const own = spec['terminationGracePeriodSeconds'];
  return asked ?? (typeof own === 'number' ? own : 30);
}

function orphanDependents(backend: Backend, owner: KubeObject): void {
  const { uid } = owner.metadata;
  const dependents = [...backend.store.everything()].filter(([, object]) =>
    object.metadata.ownerReferences?.some((ref) => ref.uid === uid),
  );
  for (const [key, object] of dependents)
    backend.store.put(
      key,
      withoutOwners(object, (ref) => ref.uid === uid),
    );
}

/** The object without some of its owners. */
export function withoutOwners(
  object: KubeObject,
  gone: (ref: NonNullable<KubeObject['metadata']['ownerReferences']>[number]) => boolean,
): KubeObject {
  const { ownerReferences = [], ...metadata } = object.metadata;
  const left = ownerReferences.filter((ref) => !gone(ref));
  return { ...object, metadata: left.length === 0 ? metadata : { ...metadata, ownerReferences: left } };
}
