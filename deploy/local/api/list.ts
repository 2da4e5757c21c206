import { type Backend, storeKey } from './backend.ts';
import { badRequest, StatusError } from './errors.ts';
import { isObject, type KubeObject } from './object.ts';
import { type ResourceTarget, wholeNumber } from './request.ts';
import { fieldSelector, labelSelector, type Selector } from './selectors.ts';
import { keyOf } from './store.ts';

/** One page of a list. */
export interface Page {
  items: KubeObject[];
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

/** Both selectors of a query, as one. Throws 400. */
export function selection(query: URLSearchParams, target: ResourceTarget): Selector {
  const byLabel = labelSelector(query.get('labelSelector') ?? '');
  const byField = fieldSelector(query.get('fieldSelector') ?? '', target.type.selectableFields);
  return (object) => byLabel(object) && byField(object);
}

/** The page that the query asks for. All pages of a list show the version of the first. Throws 400, 404 and 410. */
export function listPage(backend: Backend, target: ResourceTarget, query: URLSearchParams): Page {
  const { store } = backend;
  const selected = selection(query, target);
  const limit = wholeNumber(query, 'limit') ?? 0;
  const token = query.get('continue') ?? '';
  const start = token === '' ? undefined : readToken(token);
  const version = start?.version ?? exactVersion(query) ?? store.version;
  const key = storeKey(target.type);
  const found = (
    version === store.version ? store.list(key, target.namespace) : listedAt(backend, key, target, version, start)
  ).filter(selected);
  const after = start === undefined ? found : found.filter((object) => storedKey(object) > start.after);
  const items = limit === 0 ? after : after.slice(0, limit);
  const remaining = after.length - items.length;
  const last = items.at(-1);
  if (remaining === 0 || last === undefined) return { items, metadata: { resourceVersion: String(version) } };
  const next = writeToken({ version, after: storedKey(last) });
  return { items, metadata: { resourceVersion: String(version), continue: next, remainingItemCount: remaining } };
}

function listedAt(
  backend: Backend,
  key: string,
  target: ResourceTarget,
  version: number,
  start: Token | undefined,
): KubeObject[] {
  try {
    return backend.store.listAt(key, version, target.namespace);
  } catch (error) {
    if (!(error instanceof StatusError) || start === undefined) throw error;
    const message =
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';
    throw new StatusError(
      410,
      'Expired',
      message,
      undefined,
      writeToken({ version: backend.store.version, after: start.after }),
    );
  }
}

/** A list at exactly one version; every other version only asks for one that is not older, and the newest never is. */
function exactVersion(query: URLSearchParams): number | undefined {
  if (query.get('resourceVersionMatch') !== 'Exact') return undefined;
  return wholeNumber(query, 'resourceVersion', 1);
}

const storedKey = (object: KubeObject): string => keyOf(object.metadata.namespace, object.metadata.name);

interface Token {
  version: number;
  after: string;
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string): Token {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (isObject(token) && Number.isSafeInteger(token['version']) && typeof token['after'] === 'string') {
      return { version: token['version'] as number, after: token['after'] };
    }
  } catch {
    // Falls through to the one refusal of a token that is not ours.
  }
  throw badRequest('continue key is not valid');
}
