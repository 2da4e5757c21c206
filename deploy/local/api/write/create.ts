import { checkValid, readObject, withDefaults } from '../admission.ts';
import { type Backend, nameSuffix, newUid, storeKey } from '../backend.ts';
import {
  alreadyExists,
  badRequest,
  forbidden,
  invalid,
  notFound,
  qualifiedResource,
  type StatusError,
} from '../errors.ts';
import { settable } from '../metadata.ts';
import { type Json, type KubeObject, kubeTime, type ManagedFieldsEntry, type ObjectMeta } from '../object.ts';
import { trackUpdate } from '../patch/managed-fields.ts';
import type { WriteRequest } from '../request.ts';
import type { ResourceType } from '../resources.ts';
import { shapeOf, writer } from './ownership.ts';

/** Tries of generateName before it gives up with 409. */
const generatedNameTries = 8;

/** POST: a new object from the body. Throws the refusals of a real server: 400, 403, 404, 409, 422. */
export function createObject(backend: Backend, request: WriteRequest, body: Json): KubeObject {
  const object = readObject(body, request);
  if (object.metadata.resourceVersion !== undefined) {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  const complete = newObject(backend, request, object);
  const entries = trackUpdate(undefined, complete, [], writer(backend, request, 'Update'), shapeOf(request.type));
  return storeNew(backend, request, complete, entries);
}

/** Puts a complete new object into the store, with its field ownership. */
export function storeNew(
  backend: Backend,
  request: WriteRequest,
  object: KubeObject,
  entries: ManagedFieldsEntry[],
): KubeObject {
  const owned = {
    ...object,
    metadata: { ...object.metadata, ...(entries.length === 0 ? {} : { managedFields: entries }) },
  };
  return request.dryRun ? owned : backend.store.put(storeKey(request.type), owned);
}

/** The object as it enters the store: named, with defaults, checked, with a uid. */
export function newObject(backend: Backend, request: WriteRequest, object: KubeObject): KubeObject {
  const { type } = request;
  const namespace = targetNamespace(backend, request, object.metadata);
  const { status, ...rest } = object;
  const name = freeName(backend, request, object, namespace);
  const complete = withDefaults(type, {
    ...rest,
    ...(type.status || status === undefined ? {} : { status }),
    metadata: {
      name,
      ...(object.metadata.generateName === undefined ? {} : { generateName: object.metadata.generateName }),
      ...(namespace === undefined ? {} : { namespace }),
      ...settable(object.metadata),
      uid: newUid(backend.randomBytes),
      creationTimestamp: kubeTime(backend.now()),
      ...(hasGeneration(type) ? { generation: 1 } : {}),
    },
  });
  checkValid(type, complete);
  return complete;
}

/** Custom resources and pods count the changes of what is wanted. */
export function hasGeneration(type: { schema?: unknown; plural: string; group: string }): boolean {
  return type.schema !== undefined || (type.group === '' && type.plural === 'pods');
}

function targetNamespace(backend: Backend, request: WriteRequest, stated: ObjectMeta): string | undefined {
  const { type, namespace } = request;
  if (!type.namespaced) return undefined;
  if (namespace === undefined) throw badRequest('an empty namespace may not be set during creation');
  if (stated.namespace !== undefined && stated.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const namespaces = { group: '', plural: 'namespaces', kind: 'Namespace' };
  const found = backend.store.get('namespaces', undefined, namespace);
  if (found === undefined) throw notFound(namespaces, namespace);
  if (found.metadata.deletionTimestamp !== undefined) throw terminating(type, namespace, stated.name);
  return namespace;
}

function freeName(backend: Backend, request: WriteRequest, object: KubeObject, namespace: string | undefined): string {
  const { type } = request;
  const key = storeKey(type);
  const { generateName } = object.metadata;
  let name = object.metadata.name;
  if (name === '' && generateName !== undefined) {
    for (let tries = 0; tries < generatedNameTries; tries += 1) {
      name = `${generateName.slice(0, 58)}${nameSuffix(backend.randomBytes)}`;
      if (backend.store.get(key, namespace, name) === undefined) break;
    }
  }
  if (name === '') {
    const message = 'Required value: name or generateName is required';
    throw invalid(type, '', [{ reason: 'FieldValueRequired', message, field: 'metadata.name' }]);
  }
  if (backend.store.get(key, namespace, name) !== undefined) throw alreadyExists(type, name);
  return name;
}

function terminating(type: ResourceType, namespace: string, name: string): StatusError {
  const because = `unable to create new content in namespace ${namespace} because it is being terminated`;
  return forbidden(`${qualifiedResource(type)} "${name}" is forbidden: ${because}`, {
    name,
    ...(type.group === '' ? {} : { group: type.group }),
    kind: type.plural,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}
