import { isObject, type Json, type JsonObject, type KubeObject } from './object.ts';

type Wanted = 'string' | 'integer' | 'boolean' | 'strings' | 'object' | 'list';

/**
 * Types of the fields of core kinds that people write by hand, by field name: enough to refuse a number or a truth value
 * where a text belongs (`value: 1`, `app: yes`), which readers of the object would fail on.
 */
const wantedTypes: Readonly<Record<string, Wanted>> = {
  selector: 'strings',
  nodeSelector: 'strings',
  data: 'strings',
  binaryData: 'strings',
  stringData: 'strings',
  name: 'string',
  value: 'string',
  image: 'string',
  workingDir: 'string',
  mountPath: 'string',
  hostname: 'string',
  subdomain: 'string',
  nodeName: 'string',
  restartPolicy: 'string',
  clusterIP: 'string',
  protocol: 'string',
  reason: 'string',
  message: 'string',
  holderIdentity: 'string',
  leaseDurationSeconds: 'integer',
  leaseTransitions: 'integer',
  terminationGracePeriodSeconds: 'integer',
  containerPort: 'integer',
  count: 'integer',
  publishNotReadyAddresses: 'boolean',
  immutable: 'boolean',
  containers: 'list',
  initContainers: 'list',
  env: 'list',
  ports: 'list',
  volumes: 'list',
  resources: 'object',
  securityContext: 'object',
};

const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)$/;
const microTimes = new Set(['renewTime', 'acquireTime', 'eventTime']);

/** Why the server cannot read a core object, as the message of a 400; undefined if it can. */
export function unreadableField(object: KubeObject): string | undefined {
  const { apiVersion, kind, metadata: _, ...rest } = object;
  const problem = visit(rest as JsonObject, '', kind);
  if (problem === undefined) return undefined;
  return `${kind} in version "${apiVersion.split('/').at(-1)}" cannot be handled as a ${kind}: ${problem}`;
}

function visit(value: Json, path: string, kind: string): string | undefined {
  if (Array.isArray(value)) return first(value, (item) => visit(item, path, kind));
  if (!isObject(value)) return undefined;
  return first(Object.entries(value), ([name, child]) => {
    const field = path === '' ? name : `${path}.${name}`;
    return fieldProblem(name, child, field, kind) ?? (isFree(name) ? undefined : visit(child, field, kind));
  });
}

/** Texts by names of the user's own: the names mean nothing here. */
function isFree(name: string): boolean {
  return wantedTypes[name] === 'strings' || name === 'labels' || name === 'annotations';
}

function fieldProblem(name: string, value: Json, field: string, kind: string): string | undefined {
  if (value === null) return undefined;
  if (microTimes.has(name) && !(typeof value === 'string' && microTime.test(value))) {
    return `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05.000000Z07:00": exactly six digits must follow the seconds`;
  }
  const wanted = Object.hasOwn(wantedTypes, name) ? wantedTypes[name] : undefined;
  const wrong = wanted === undefined ? undefined : misfit(value, wanted);
  if (wrong === undefined) return undefined;
  const type = wanted === 'integer' ? 'int32' : wanted === 'strings' ? 'string' : wanted;
  return `json: cannot unmarshal ${wrong} into Go struct field ${kind}.${field} of type ${type}`;
}

/** What the value is, in the words of Go's decoder, where it is not what is wanted. */
function misfit(value: Json, wanted: Wanted): string | undefined {
  const actual = nameOf(value);
  switch (wanted) {
    case 'strings':
      if (!isObject(value)) return actual;
      return first(Object.values(value), (text) => (text === null ? undefined : misfit(text, 'string')));
    case 'integer':
      return Number.isInteger(value) ? undefined : actual;
    case 'boolean':
      return actual === 'bool' ? undefined : actual;
    case 'list':
      return actual === 'array' ? undefined : actual;
    case 'string':
    case 'object':
      return actual === wanted ? undefined : actual;
    default:
      return wanted satisfies never;
  }
}

function nameOf(value: Json): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function first<T>(items: readonly T[], problem: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = problem(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
