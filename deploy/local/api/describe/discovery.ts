import { mediaTypes } from '../negotiation.ts';
import { apiVersionOf, type ResourceType } from '../resources.ts';

interface Kind {
  group: string;
  version: string;
  kind: string;
}

interface Subresource {
  name: string;
  verbs: string[];
  kind: Kind;
}

const kindOf = ({ group, version, kind }: ResourceType): Kind => ({ group, version, kind });

function subresources(type: ResourceType): Subresource[] {
  const verbs = ['get', 'patch', 'update'];
  const all: Subresource[] = [];
  if (type.log === true) all.push({ name: 'log', verbs: ['get'], kind: kindOf(type) });
  if (type.scale !== undefined)
    all.push({ name: 'scale', verbs, kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } });
  if (type.status) all.push({ name: 'status', verbs, kind: kindOf(type) });
  return all;
}

/** Group and version of all types, each once, in order. */
export function groupVersions(types: readonly ResourceType[]): { group: string; version: string }[] {
  const seen = new Map(types.map(({ group, version }) => [`${group}/${version}`, { group, version }]));
  return [...seen.values()];
}

/** Content type of {@link aggregatedDiscovery}: clients take the answer for the older one without it. */
export const aggregatedContentType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** True if the client asks for everything in one answer; otherwise it wants the older lists. */
export function wantsAggregated(accept: string): boolean {
  return mediaTypes(accept).some(
    ({ name, parameters: p }) =>
      name === 'application/json' &&
      p['g'] === 'apidiscovery.k8s.io' &&
      p['v'] === 'v2' &&
      p['as'] === 'APIGroupDiscoveryList',
  );
}

/** Every kind in one document: those of the core group for /api, all others for /apis. Source: apidiscovery.k8s.io/v2. */
export function aggregatedDiscovery(types: readonly ResourceType[], root: 'api' | 'apis'): object {
  const below = types.filter((type) => (type.group === '') === (root === 'api'));
  const groups = [...new Set(below.map((type) => type.group))];
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((name) => {
      const own = below.filter((type) => type.group === name);
      return {
        metadata: { name, creationTimestamp: null },
        versions: groupVersions(own).map(({ version }) => ({
          version,
          freshness: 'Current',
          resources: own.filter((type) => type.version === version).map(discoveredResource),
        })),
      };
    }),
  };
}

function discoveredResource(type: ResourceType): object {
  const subs = subresources(type).map(({ name, verbs, kind }) => ({ subresource: name, responseKind: kind, verbs }));
  return {
    resource: type.plural,
    responseKind: kindOf(type),
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: type.verbs,
    ...(type.shortNames.length === 0 ? {} : { shortNames: type.shortNames }),
    ...(type.categories.length === 0 ? {} : { categories: type.categories }),
    ...(subs.length === 0 ? {} : { subresources: subs }),
  };
}

/** Answer of /api for older clients. */
export function coreVersions(): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
}

/** Answer of /apis for older clients. */
export function groupList(types: readonly ResourceType[]): object {
  const groups = [...new Set(types.map((type) => type.group))].filter((group) => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((group) => groupEntry(types, group)) };
}

/** Answer of /apis/GROUP; undefined if there is no such group. */
export function groupDocument(types: readonly ResourceType[], group: string): object | undefined {
  if (group === '' || !types.some((type) => type.group === group)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(types, group) };
}

function groupEntry(types: readonly ResourceType[], group: string): object {
  const own = types.filter((type) => type.group === group);
  const versions = groupVersions(own).map((gv) => ({ groupVersion: apiVersionOf(gv), version: gv.version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** Answer of /api/v1 and /apis/GROUP/VERSION; undefined if nothing of that version is served. */
export function resourceList(types: readonly ResourceType[], groupVersion: string): object | undefined {
  const own = types.filter((type) => apiVersionOf(type) === groupVersion);
  if (own.length === 0) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: own.flatMap(listedResources) };
}

function listedResources(type: ResourceType): object[] {
  const { namespaced, kind, plural: name, singular: singularName, verbs, shortNames, categories } = type;
  const main = {
    name,
    singularName,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
  const subs = subresources(type).map((sub) => {
    const own = sub.kind.group === type.group;
    const foreign = own ? {} : { group: sub.kind.group, version: sub.kind.version };
    return {
      name: `${name}/${sub.name}`,
      singularName: '',
      namespaced,
      ...foreign,
      kind: sub.kind.kind,
      verbs: sub.verbs,
    };
  });
  return [main, ...subs];
}
