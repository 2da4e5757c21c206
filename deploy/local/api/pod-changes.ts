import type { StatusCause } from './errors.ts';
import { isObject, type Json, type JsonObject, jsonEqual, type KubeObject } from './object.ts';

const message =
  'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

const changeable = ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds'];

/** Refuses a change of what a pod is made with; its node comes through a binding. Wording as of Kubernetes 1.36. */
export function podChangeCauses(next: KubeObject, old: KubeObject): StatusCause[] {
  return jsonEqual(fixedPart(next), fixedPart(old)) ? [] : [{ reason: 'FieldValueForbidden', message, field: 'spec' }];
}

function fixedPart(pod: KubeObject): JsonObject {
  const spec = pod['spec'] as Json;
  if (!isObject(spec)) return {};
  const fixed = Object.entries(spec).filter(([name]) => !changeable.includes(name));
  const { containers, initContainers } = spec;
  return {
    ...Object.fromEntries(fixed),
    containers: withoutImages(containers),
    initContainers: withoutImages(initContainers),
  };
}

function withoutImages(containers: Json | undefined): Json[] {
  if (!Array.isArray(containers)) return [];
  return containers.map((container) => (isObject(container) ? { ...container, image: null } : container));
}
