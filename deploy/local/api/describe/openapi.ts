import { createHash } from 'node:crypto';
import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { apiVersionOf, type ResourceType } from '../resources.ts';
import { groupVersions } from './discovery.ts';

/** The OpenAPI documents, made once: the answer of /openapi/v3, and one document a group and version. */
export interface OpenApi {
  index: object;
  /** By the path below /openapi/v3/: `api/v1`, `apis/hayate.dev/v1alpha1`. */
  documents: ReadonlyMap<string, object>;
}

/**
 * OpenAPI v3 as far as clients act on it: kubectl validates on the server only where a kind's patch operation has a
 * fieldValidation parameter, and explains a kind from the schema of the same group, version and kind. Strategic merge
 * patch is not listed: clients would look for merge keys in the schemas.
 */
export function openApi(types: readonly ResourceType[]): OpenApi {
  const documents = new Map<string, object>();
  const paths: Record<string, object> = {};
  for (const gv of groupVersions(types)) {
    const path = `${gv.group === '' ? 'api' : 'apis'}/${apiVersionOf(gv)}`;
    const document = groupVersionDocument(
      types.filter((type) => apiVersionOf(type) === apiVersionOf(gv)),
      path,
    );
    const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex').toUpperCase();
    documents.set(path, document);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
  }
  return { index: { paths }, documents };
}

function groupVersionDocument(types: readonly ResourceType[], root: string): object {
  return {
    openapi: '3.0.0',
    info: { title: 'Hayate', version: 'v1' },
    paths: Object.fromEntries(types.flatMap((type) => kindPaths(type, root))),
    components: { schemas: Object.fromEntries(types.map((type) => [schemaName(type), kindSchema(type)])) },
  };
}

function kindPaths(type: ResourceType, root: string): [string, object][] {
  const { group, version, kind } = type;
  const gvk = { 'x-kubernetes-group-version-kind': { group, version, kind } };
  const answer = { content: { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName(type)}` } } } };
  const read = { ...gvk, responses: { 200: { description: 'OK', ...answer } } };
  const fieldValidation = { name: 'fieldValidation', in: 'query', schema: { type: 'string' } };
  const write = { ...read, parameters: [fieldValidation] };
  const list = `/${root}/${type.namespaced ? 'namespaces/{namespace}/' : ''}${type.plural}`;
  return [
    [list, { get: read, post: write }],
    [`${list}/{name}`, { get: read, patch: write, put: write }],
  ];
}

/** `dev.hayate.v1alpha1.TrainingJob`: the group backwards, as the definitions of custom resources are named. */
function schemaName({ group, version, kind }: ResourceType): string {
  const prefix = group === '' ? ['io', 'k8s', 'api', 'core'] : group.split('.').reverse();
  return [...prefix, version, kind].join('.');
}

const text: StructuralSchema = { type: 'string' };

function kindSchema(type: ResourceType): object {
  const { group, version, kind } = type;
  const base: StructuralSchema = type.schema ?? {
    type: 'object',
    description: `${kind} is described by Kubernetes itself.`,
    properties: { spec: { type: 'object' }, status: { type: 'object' } },
  };
  return {
    ...base,
    properties: {
      ...base.properties,
      apiVersion: { description: 'Version of the schema of this object.', ...text },
      kind: { description: 'Kind of this object.', ...text },
      metadata: { type: 'object', description: "Standard object's metadata." },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}
