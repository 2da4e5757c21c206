import { coreCauses, coreDefaults, withoutNulls } from './core-kinds.ts';
import { unreadableField } from './core-types.ts';
import { badRequest, invalid } from './errors.ts';
import { metadataCauses, readMetadata, unknownMetadata } from './metadata.ts';
import { isObject, type Json, type JsonObject, type KubeObject } from './object.ts';
import type { WriteRequest } from './request.ts';
import { apiVersionOf, type ResourceType } from './resources.ts';
import { applyDefaults } from './schema/defaults.ts';
import { prune } from './schema/prune.ts';
import { validate } from './schema/validate.ts';

/**
 * A body as an object of the request's kind: without the fields that the kind does not know, which are refused (Strict),
 * warned of (Warn) or left out in silence. Throws 400 for a body of another kind or shape.
 */
export function readObject(body: Json, request: WriteRequest): KubeObject {
  const { type } = request;
  if (!isObject(body)) throw badRequest('the body of the request must be one object');
  const apiVersion = apiVersionOf(type);
  if (type.schema !== undefined && typeof body['kind'] !== 'string') {
    throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(body).slice(0, 512)}'`);
  }
  if (body['kind'] !== undefined && body['kind'] !== type.kind) {
    throw badRequest(
      `${JSON.stringify(body['kind'])} in version ${JSON.stringify(body['apiVersion'])} cannot be handled as a ${type.kind}: the kind of the path is ${type.kind}`,
    );
  }
  if (body['apiVersion'] !== undefined && body['apiVersion'] !== apiVersion) {
    throw badRequest(
      `the API version in the data (${JSON.stringify(body['apiVersion'])}) does not match the expected API version (${apiVersion})`,
    );
  }
  const metadata = readMetadata(body, type.kind, type.version);
  const known = withoutUnknown({ ...body, apiVersion, kind: type.kind }, request);
  const object: KubeObject = { ...known, apiVersion, kind: type.kind, metadata };
  const unreadable = type.schema === undefined ? unreadableField(object) : undefined;
  if (unreadable !== undefined) throw badRequest(unreadable);
  return object;
}

function withoutUnknown(body: JsonObject, request: WriteRequest): JsonObject {
  const { type, fieldValidation } = request;
  const pruned =
    type.schema === undefined
      ? { value: withoutNulls(body), unknown: unknownMetadata(body) }
      : prune(type.schema, body);
  const unknown = pruned.unknown.map((field) => `unknown field "${field}"`);
  if (unknown.length > 0 && fieldValidation === 'Strict') {
    const found = `strict decoding error: ${unknown.join(', ')}`;
    throw badRequest(`${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${found}`);
  }
  if (fieldValidation === 'Warn') request.warnings.push(...unknown);
  return pruned.value;
}

/** The object with the defaults of its kind. */
export function withDefaults(type: ResourceType, object: KubeObject): KubeObject {
  if (type.schema === undefined) return coreDefaults(object);
  return applyDefaults(type.schema, object);
}

/** Throws 422 with every problem of the object at once. */
export function checkValid(type: ResourceType, object: KubeObject, old?: KubeObject): void {
  const causes = [
    ...metadataCauses(object),
    ...(type.schema === undefined ? coreCauses(object, old) : validate(type.schema, object, old)),
  ];
  if (causes.length > 0) throw invalid(type, object.metadata.name, causes);
}
