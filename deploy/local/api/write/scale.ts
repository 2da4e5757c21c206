import type { Backend } from '../backend.ts';
import { badRequest, conflict, invalid, noSuchPath } from '../errors.ts';
import { isObject, type Json, type JsonObject, type KubeObject } from '../object.ts';
import { setField } from '../patch/merge.ts';
import type { WriteRequest } from '../request.ts';
import type { ResourceType } from '../resources.ts';
import { patchDocument } from './patch.ts';
import { liveObject, updateObject } from './update.ts';

/** The scale subresource of an object: how many are wanted, how many there are, and by which labels. Throws 404. */
export function scaleOf(type: ResourceType, object: KubeObject): JsonObject {
  const paths = type.scale;
  if (paths === undefined) throw noSuchPath();
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const number = (path: string): number => {
    const value = at(object, path);
    return typeof value === 'number' ? value : 0;
  };
  const selector = paths.labelSelectorPath === undefined ? undefined : at(object, paths.labelSelectorPath);
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp } as unknown as JsonObject;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: { replicas: number(paths.specReplicasPath) },
    status: {
      replicas: number(paths.statusReplicasPath),
      ...(typeof selector === 'string' ? { selector } : {}),
    },
  };
}

/** PUT or PATCH of /scale: only the number wanted reaches the object. Throws 400, 404, 409 and 422. */
export function scaleObject(
  backend: Backend,
  request: WriteRequest,
  change: { mediaType: string | undefined; body: Json },
): JsonObject {
  const live = liveObject(backend, request);
  const paths = request.type.scale;
  const before = scaleOf(request.type, live);
  const after = change.mediaType === undefined ? change.body : patchDocument(before, change.mediaType, change.body);
  if (paths === undefined || !isObject(after)) throw badRequest('the body of the request must be a Scale');
  const metadata = isObject(after['metadata']) ? after['metadata'] : {};
  const { name, resourceVersion } = live.metadata;
  const seen = metadata['resourceVersion'];
  if (typeof seen === 'string' && seen !== '' && seen !== resourceVersion) throw conflict(request.type, name);
  const replicas = isObject(after['spec']) ? (after['spec']['replicas'] ?? 0) : 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    const message = `Invalid value: ${JSON.stringify(replicas)}: should be a non-negative integer`;
    const cause = { reason: 'FieldValueInvalid', message, field: 'spec.replicas' };
    throw invalid({ group: 'autoscaling', plural: 'scales', kind: 'Scale' }, name, [cause]);
  }
  const wanted = withValue(live as unknown as JsonObject, steps(paths.specReplicasPath), replicas);
  return scaleOf(request.type, updateObject(backend, request, live, wanted as unknown as KubeObject));
}

function steps(path: string): string[] {
  return path.split('.').filter((step) => step !== '');
}

function at(object: KubeObject, path: string): unknown {
  let value: unknown = object;
  for (const step of steps(path)) value = isObject(value) ? value[step] : undefined;
  return value;
}

function withValue(object: JsonObject, path: readonly string[], value: Json): JsonObject {
  const [step, ...rest] = path;
  if (step === undefined) return object;
  const child = object[step];
  const result = { ...object };
  setField(result, step, rest.length === 0 ? value : withValue(isObject(child) ? child : {}, rest, value));
  return result;
}
