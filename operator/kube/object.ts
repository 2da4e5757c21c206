/** Object metadata as far as the runtime reads it; everything else travels through unread. */
interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: Owner[];
}

export interface Owner {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any Kubernetes object: raw JSON, never converted, so that no field is lost on the way. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: Metadata;
}

/** Where objects of one kind live; group '' is the core group. */
export interface Resource {
  group: string;
  version: string;
  plural: string;
}

/** `namespace/name`: what queues and caches call an object. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** The owner that controls an object, if one does. */
export function controllerOf(object: KubeObject): Owner | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** URL path of a collection, an object in it, or a subresource of that object; all parts escaped. */
export function pathOf(
  resource: Resource,
  namespace: string | undefined,
  name?: string,
  subresource?: 'status' | 'binding',
): string {
  const parts = resource.group === '' ? ['api'] : ['apis', resource.group];
  parts.push(resource.version);
  if (namespace !== undefined) parts.push('namespaces', namespace);
  parts.push(resource.plural);
  if (name !== undefined) parts.push(name);
  if (subresource !== undefined) parts.push(subresource);
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}
