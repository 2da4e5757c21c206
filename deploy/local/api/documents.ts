import {
  aggregatedContentType,
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  resourceList,
  wantsAggregated,
} from './describe/discovery.ts';
import { openApi } from './describe/openapi.ts';
import { versionDocument } from './describe/version.ts';
import type { ResourceType } from './resources.ts';

/** A document that describes the server itself, with the media type it is sent under. */
export interface Described {
  body: object;
  contentType: string;
}

/** Answers for the paths that describe the server: version, discovery, OpenAPI; undefined for every other path. */
export function describeServer(
  types: readonly ResourceType[],
): (path: string, accept: string) => Described | undefined {
  const { index, documents } = openApi(types);
  const document = (path: string): object | undefined => {
    const parts = path.split('/').slice(1);
    const rest = parts.slice(1).join('/');
    switch (parts[0] ?? '') {
      case 'version':
        return rest === '' ? versionDocument() : undefined;
      case 'openapi':
        return rest === 'v3' ? index : documents.get(parts.slice(2).join('/'));
      case 'api':
        return rest === '' ? coreVersions() : parts.length === 2 ? resourceList(types, rest) : undefined;
      case 'apis':
        if (rest === '') return groupList(types);
        if (parts.length === 2) return groupDocument(types, rest);
        return parts.length === 3 ? resourceList(types, rest) : undefined;
      default:
        return undefined;
    }
  };
  return (rawPath, accept) => {
    const path = rawPath.length > 1 && rawPath.endsWith('/') ? rawPath.slice(0, -1) : rawPath;
    if ((path === '/api' || path === '/apis') && wantsAggregated(accept)) {
      const body = aggregatedDiscovery(types, path === '/api' ? 'api' : 'apis');
      return { body, contentType: aggregatedContentType };
    }
    const body = document(path);
    return body === undefined ? undefined : { body, contentType: 'application/json' };
  };
}
