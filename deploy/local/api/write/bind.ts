import type { Backend } from '../backend.ts';
import { badRequest, conflict } from '../errors.ts';
import { isObject, type Json, type JsonObject } from '../object.ts';
import type { WriteRequest } from '../request.ts';
import { liveObject, updateObject } from './update.ts';

/** POST of pods/binding: gives the pod its node, once. Throws 400, 404 and 409. */
export function bindPod(backend: Backend, request: WriteRequest, body: Json): JsonObject {
  const target = isObject(body) && isObject(body['target']) ? body['target'] : {};
  const node = target['name'];
  if (typeof node !== 'string' || node === '') throw badRequest('a Binding needs target.name, the node of the pod');
  const live = liveObject(backend, request);
  const spec = isObject(live['spec']) ? live['spec'] : {};
  const bound = spec['nodeName'];
  if (typeof bound === 'string' && bound !== '') {
    throw conflict(
      request.type,
      live.metadata.name,
      `pod ${live.metadata.name} is already assigned to node "${bound}"`,
    );
  }
  updateObject(backend, request, live, { ...live, spec: { ...spec, nodeName: node } });
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}
