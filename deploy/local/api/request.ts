import { badRequest, noSuchPath } from './errors.ts';
import { apiVersionOf, type ResourceType } from './resources.ts';

/** What a path of a resource names. */
export interface ResourceTarget {
  type: ResourceType;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/** Options of a write, from the query and the headers. */
export interface WriteOptions {
  dryRun: boolean;
  /** Whose fields a write owns. */
  fieldManager: string;
  fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Server-side apply only: take fields from other managers. */
  force: boolean;
  /** Collects one warning a line for the answer's headers. */
  warnings: string[];
}

/** One write on one path, with what creation and patches need to know of the request. */
export interface WriteRequest extends WriteOptions {
  type: ResourceType;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/** The resource that a path below `/api` or `/apis` names; undefined if the path is none of a resource. Throws 404 for an unknown one. */
export function resourceTarget(pathname: string, types: readonly ResourceType[]): ResourceTarget | undefined {
  const parts = pathname.split('/').slice(1).map(decodePart);
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const apiVersion = core ? parts[1] : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(core ? 2 : 3).filter((part, index, all) => part !== '' || index < all.length - 1);
  if (rest.length === 0) return undefined;
  const served = types.filter((type) => apiVersionOf(type) === apiVersion);
  const find = (plural: string | undefined, namespaced: boolean | undefined): ResourceType => {
    const type = served.find((t) => t.plural === plural && (namespaced === undefined || t.namespaced === namespaced));
    if (type === undefined) throw noSuchPath();
    return type;
  };
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && !['status', 'finalize'].includes(rest[2]!);
  const [plural, name, ...more] = inNamespace ? rest.slice(2) : rest;
  const type = find(plural, inNamespace ? true : undefined);
  // A single object of a namespaced kind exists below its namespace only.
  if (more.length > 1 || name === '' || (type.namespaced && !inNamespace && name !== undefined)) throw noSuchPath();
  return { type, namespace: inNamespace ? rest[1] : undefined, name, subresource: more[0] };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`the path is not encoded as a URL should be: ${part}`);
  }
}

/** Options of a write. Throws 400 for a value that is none. */
export function writeOptions(query: URLSearchParams, userAgent: string): Omit<WriteOptions, 'warnings'> {
  const dryRun = query.getAll('dryRun');
  if (dryRun.some((value) => value !== 'All'))
    throw badRequest(`invalid dryRun option: ${dryRun.join(', ')}; only All is known`);
  const fieldValidation = query.get('fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore') {
    throw badRequest(`invalid fieldValidation option: ${fieldValidation}; known are Strict, Warn and Ignore`);
  }
  const fieldManager = query.get('fieldManager') ?? '';
  return {
    dryRun: dryRun.length > 0,
    fieldManager: fieldManager === '' ? (userAgent.split('/')[0]?.slice(0, 128) ?? '') : fieldManager.slice(0, 128),
    fieldValidation,
    force: query.get('force') === 'true',
  };
}

/** A whole number of a query, at least `minimum`. Throws 400 for anything else. */
export function wholeNumber(query: URLSearchParams, name: string, minimum = 0): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!/^-?\d{1,15}$/.test(text) || value < minimum) {
    throw badRequest(`the parameter ${name} must be a whole number of at least ${minimum}: ${text}`);
  }
  return value;
}

/** A truth value of a query: `true` and `1` are true, and so is a parameter without a value. */
export function truth(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== 'false' && text !== '0';
}
