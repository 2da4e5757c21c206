import { badRequest, StatusError } from '../errors.ts';
import { isObject, type Json, type JsonObject, jsonEqual } from '../object.ts';
import { setField } from './merge.ts';

/** Operations of one patch: a bound on the work of one request, as the real server has it. */
const maxOperations = 10_000;

/**
 * JSON patch (RFC 6902). Neither argument is changed. Throws 400 for a patch that is none, 422 for one that does not fit
 * the document: a failed `test`, a path that is not there.
 */
export function jsonPatch(document: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest('the body of a JSON patch must be a list of operations');
  if (patch.length > maxOperations) throw badRequest(`a JSON patch may have ${maxOperations} operations at most`);
  let result = structuredClone(document);
  for (const operation of patch) {
    if (!isObject(operation) || typeof operation['op'] !== 'string' || typeof operation['path'] !== 'string') {
      throw badRequest('every operation of a JSON patch needs an op and a path');
    }
    result = step(result, operation, operation['op'], operation['path']);
  }
  return result;
}

function step(document: Json, operation: JsonObject, op: string, path: string): Json {
  const value = (): Json => {
    if (operation['value'] === undefined) throw badRequest(`the operation ${op} of a JSON patch needs a value`);
    return structuredClone(operation['value']);
  };
  const from = (): string => {
    if (typeof operation['from'] !== 'string') throw badRequest(`the operation ${op} of a JSON patch needs a from`);
    return operation['from'];
  };
  switch (op) {
    case 'add':
      return write(document, path, value(), 'add');
    case 'replace':
      return write(document, path, value(), 'replace');
    case 'remove':
      return remove(document, path);
    case 'move': {
      const moved = read(document, from());
      return write(remove(document, from()), path, moved, 'add');
    }
    case 'copy':
      return write(document, path, structuredClone(read(document, from())), 'add');
    case 'test':
      if (!jsonEqual(read(document, path), value())) throw unfit(`testing value ${path} failed: test failed`);
      return document;
    default:
      throw badRequest(`unknown operation in a JSON patch: ${op}`);
  }
}

function unfit(message: string): StatusError {
  return new StatusError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${message}`,
    {},
  );
}

function missing(path: string): StatusError {
  return unfit(`the path ${path} does not exist`);
}

function tokens(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw badRequest(`a path of a JSON patch starts with a slash: ${path}`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function position(list: readonly Json[], token: string, path: string, end: number): number {
  const index = /^(?:0|[1-9]\d*)$/.test(token) ? Number(token) : -1;
  if (index < 0 || index > end || list.length > 1_000_000) throw missing(path);
  return index;
}

function child(container: Json, token: string, path: string): Json {
  if (Array.isArray(container)) return container[position(container, token, path, container.length - 1)]!;
  if (isObject(container) && Object.hasOwn(container, token)) return container[token]!;
  throw missing(path);
}

function read(document: Json, path: string): Json {
  return tokens(path).reduce((container, token) => child(container, token, path), document);
}

function parentOf(document: Json, path: string): { parent: Json; last: string } {
  const parts = tokens(path);
  const last = parts.pop()!;
  return { parent: parts.reduce((container, token) => child(container, token, path), document), last };
}

function write(document: Json, path: string, value: Json, op: 'add' | 'replace'): Json {
  if (path === '') return value;
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) {
    if (op === 'replace') parent[position(parent, last, path, parent.length - 1)] = value;
    else parent.splice(last === '-' ? parent.length : position(parent, last, path, parent.length), 0, value);
  } else if (isObject(parent)) {
    if (op === 'replace' && !Object.hasOwn(parent, last)) throw missing(path);
    setField(parent, last, value);
  } else throw missing(path);
  return document;
}

function remove(document: Json, path: string): Json {
  if (path === '') return null;
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(position(parent, last, path, parent.length - 1), 1);
  else if (isObject(parent) && Object.hasOwn(parent, last)) delete parent[last];
  else throw missing(path);
  return document;
}
