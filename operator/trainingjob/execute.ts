import { apiVersion, resource } from '@hayate/crds/trainingjob.ts';
import type { KubeClient } from '../kube/client.ts';
import { podResource, serviceResource } from '../kube/core.ts';
import { ApiError, isAlreadyExists, isConflict, isNotFound } from '../kube/errors.ts';
import { controllerOf, type KubeObject, type Resource } from '../kube/object.ts';
import type { Action } from './plan.ts';

export const jobResource: Resource = { group: resource.group, version: resource.version, plural: resource.plural };

/** What executing a plan needs of the API. */
export type Api = Pick<KubeClient, 'get' | 'create' | 'mergePatch' | 'patchStatus' | 'delete'>;

/**
 * Carries out actions in order, one API call each, and stops at the first that fails: its error is returned, since the
 * status is written either way. What is already done (created, deleted) counts as done.
 */
export async function execute(
  actions: readonly Action[],
  namespace: string,
  api: Api,
  signal: AbortSignal,
): Promise<ApiError | undefined> {
  for (const action of actions) {
    if (signal.aborted) return new ApiError(0, 'Stopping', 'the operator is stopping');
    try {
      await perform(action, namespace, api);
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }
  return undefined;
}

async function perform(action: Action, namespace: string, api: Api): Promise<void> {
  switch (action.kind) {
    case 'createService':
      return create(serviceResource, action.service, api);
    case 'createPod':
      return create(podResource, action.pod, api);
    case 'patchService':
      await api.mergePatch(serviceResource, namespace, action.name, action.patch);
      return;
    case 'deletePod':
      return remove(podResource, namespace, action, api);
    case 'deleteJob':
      return remove(jobResource, namespace, action, api);
    default:
      return unreachable(action);
  }
}

async function create(kind: Resource, object: KubeObject, api: Api): Promise<void> {
  try {
    await api.create(kind, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const { name, namespace = '' } = object.metadata;
    const existing = await api.get(kind, namespace, name);
    const wanted = controllerOf(object);
    const owner = controllerOf(existing);
    if (owner?.uid === wanted?.uid) return;
    const what = `${kind.plural} ${namespace}/${name}`;
    if (owner?.apiVersion === apiVersion && owner.name === wanted?.name) {
      throw new ApiError(409, 'Conflict', `${what} still belongs to a deleted job of the same name`, { cause: error });
    }
    const message = `${what} exists and belongs to something else; delete it or give the job another name`;
    throw new ApiError(422, 'NameTaken', message, { cause: error });
  }
}

async function remove(kind: Resource, namespace: string, target: { name: string; uid: string }, api: Api) {
  try {
    await api.delete(kind, namespace, target.name, { uid: target.uid });
  } catch (error) {
    // 409: the name now belongs to another incarnation, so the one that was meant is gone.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function unreachable(action: never): never {
  throw new Error(`unknown action ${JSON.stringify(action)}`);
}
