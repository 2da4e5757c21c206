import { tableDocument } from './describe/table.ts';
import type { Page } from './list.ts';
import type { Form } from './negotiation.ts';
import type { KubeObject } from './object.ts';
import { apiVersionOf, type ResourceType } from './resources.ts';
import type { WatchLine } from './watch.ts';

/** Metadata alone, for clients that ask for no more. */
function partial(object: KubeObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

/** One object in the form asked for. */
export function objectDocument(
  type: ResourceType,
  object: KubeObject,
  form: Form,
  includeObject: string | null,
  now: Date,
): object {
  switch (form) {
    case 'plain':
      return object;
    case 'metadata':
      return partial(object);
    case 'table':
      return tableDocument(
        type,
        [object],
        { resourceVersion: object.metadata.resourceVersion ?? '' },
        includeObject,
        now,
      );
    default:
      return unknownForm(form);
  }
}

/** One page of a list in the form asked for. */
export function listDocument(
  type: ResourceType,
  page: Page,
  form: Form,
  includeObject: string | null,
  now: Date,
): object {
  switch (form) {
    case 'plain':
      return { kind: type.listKind, apiVersion: apiVersionOf(type), metadata: page.metadata, items: page.items };
    case 'metadata':
      return {
        kind: 'PartialObjectMetadataList',
        apiVersion: 'meta.k8s.io/v1',
        metadata: page.metadata,
        items: page.items.map(partial),
      };
    case 'table':
      return tableDocument(type, page.items, page.metadata, includeObject, now);
    default:
      return unknownForm(form);
  }
}

/** One line of a watch in the form asked for; in tables only the first carries the columns. */
export function watchDocument(
  type: ResourceType,
  line: WatchLine,
  form: Form,
  includeObject: string | null,
  now: Date,
  first: boolean,
): object {
  if (line.type === 'ERROR') return { type: 'ERROR', object: line.status };
  const object = line.type === 'BOOKMARK' ? bookmark(type, line.version, line.endsInitialEvents) : line.object;
  const document = objectDocument(
    type,
    object,
    line.type === 'BOOKMARK' && form === 'table' ? 'plain' : form,
    includeObject,
    now,
  );
  return { type: line.type, object: form === 'table' && !first ? { ...document, columnDefinitions: null } : document };
}

function bookmark(type: ResourceType, version: string, endsInitialEvents: boolean): KubeObject {
  const annotations = endsInitialEvents ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: version, creationTimestamp: null, ...annotations };
  return { kind: type.kind, apiVersion: apiVersionOf(type), metadata } as unknown as KubeObject;
}

function unknownForm(form: never): never {
  throw new Error(`no such form: ${String(form)}`);
}
