import type { CustomResourceDefinition } from '@hayate/crds/definition.ts';
import { apiVersionOf, type ResourceType } from './resources.ts';

/** A document that describes the server itself, with the media type it is sent under. */
export interface Described {
  body: object;
  contentType: string;
}

/** Answers for the paths that describe the server: version, discovery, OpenAPI; undefined for every other path. */
export function describeServer(
  types: readonly ResourceType[],
  _crds: readonly CustomResourceDefinition[],
): (path: string, accept: string) => Described | undefined {
  const json = (body: object): Described => ({ body, contentType: 'application/json' });
  return (path) => {
    if (path === '/api') return json({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] });
    if (path === '/version') return json({ major: '1', minor: '36', gitVersion: 'v1.36.3' });
    if (path === '/apis') {
      const groups = [...new Set(types.filter((t) => t.group !== '').map((t) => apiVersionOf(t)))].map((gv) => ({
        name: gv.split('/')[0],
        versions: [{ groupVersion: gv, version: gv.split('/')[1] }],
        preferredVersion: { groupVersion: gv, version: gv.split('/')[1] },
      }));
      return json({ kind: 'APIGroupList', apiVersion: 'v1', groups });
    }
    const gv = /^\/api\/(v1)$/.exec(path)?.[1] ?? /^\/apis\/([^/]+\/[^/]+)$/.exec(path)?.[1];
    const found = types.filter((t) => apiVersionOf(t) === gv);
    if (gv === undefined || found.length === 0) return undefined;
    const resources = found.map((t) => ({
      name: t.plural,
      singularName: t.singular,
      namespaced: t.namespaced,
      kind: t.kind,
      verbs: t.verbs,
      shortNames: t.shortNames,
      categories: t.categories,
    }));
    return json({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: gv, resources });
  };
}
