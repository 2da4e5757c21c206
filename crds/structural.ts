import { z } from 'zod';
import type { StructuralSchema } from './definition.ts';

/** A zod schema that no structural schema can express; `problems` names every place, each with what to write instead. */
export class StructuralError extends Error {
  readonly code = 'NotStructural';
  readonly retryable = false;
  readonly problems: readonly string[];

  constructor(problems: readonly string[], cause?: unknown) {
    super(`the schema cannot become a custom resource definition: ${problems.join('; ')}`, { cause });
    this.name = 'StructuralError';
    this.problems = problems;
  }
}

type Raw = Readonly<Record<string, unknown>>;

/**
 * Turns a zod schema into a structural OpenAPI schema, as apiextensions.k8s.io/v1 demands it. What zod says and a
 * definition cannot is refused, never dropped: a rule that only one side knows would let bad objects in.
 * Throws StructuralError.
 */
export function toStructural(schema: z.ZodType): StructuralSchema {
  const problems: string[] = [];
  const refined = new Set<string>();
  let raw: Raw;
  try {
    raw = z.toJSONSchema(schema, {
      target: 'openapi-3.0',
      io: 'input',
      unrepresentable: 'throw',
      cycles: 'throw',
      reused: 'inline',
      override: ({ zodSchema, path }) => inspect(zodSchema, pathText(path), problems, refined),
    }) as Raw;
  } catch (error) {
    throw new StructuralError([(error as Error).message], error);
  }
  const structural = convert(raw, '', { problems, refined });
  for (const path of refined)
    problems.push(`${at(path)} has a refinement without a CEL twin; add it with .meta(cel(…))`);
  if (problems.length > 0) throw new StructuralError(problems);
  return structural;
}

interface Findings {
  problems: string[];
  /** Places with a refinement that no CEL rule has been seen for yet. */
  refined: Set<string>;
}

const at = (path: string): string => (path === '' ? 'the root' : path);

/** `spec.containers[].name`, from the path inside a JSON schema. */
function pathText(path: readonly (string | number)[]): string {
  let text = '';
  for (let i = 0; i < path.length; i++) {
    if (path[i] === 'properties') text += `${text === '' ? '' : '.'}${path[++i]}`;
    else if (path[i] === 'items') text += '[]';
    else if (path[i] === 'additionalProperties') text += '[*]';
  }
  return text;
}

/** Finds what zod leaves out of JSON Schema without a word. */
function inspect(schema: z.core.$ZodTypes, path: string, problems: string[], refined: Set<string>): void {
  const def = schema._zod.def;
  if (def.type === 'pipe')
    problems.push(`${at(path)} is transformed; a definition holds what is written, not what it becomes`);
  if (def.type === 'tuple') problems.push(`${at(path)} is a tuple; use an object with named fields`);
  if (def.type === 'default' && !z.safeParse(def.innerType, def.defaultValue).success) {
    problems.push(`${at(path)} has a default that its own schema refuses`);
  }
  for (const check of def.checks ?? []) {
    const details = check._zod.def as { check: string; pattern?: RegExp };
    if (details.check === 'custom') refined.add(path);
    if (details.pattern !== undefined && details.pattern.flags.replace('u', '') !== '') {
      problems.push(
        `${at(path)} has a pattern with flags (${details.pattern.flags}), which a definition does not keep`,
      );
    }
  }
}

const copied: readonly (keyof StructuralSchema)[] = [
  'type',
  'description',
  'format',
  'nullable',
  'default',
  'enum',
  'required',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
];
const converted = ['properties', 'items', 'additionalProperties', 'allOf'];
const dropped = [
  'id',
  'readOnly',
  'writeOnly',
  'deprecated',
  'examples',
  'title',
  'propertyNames',
  '$schema',
  'definitions',
];
const understood = new Set<string>([...copied, ...converted, ...dropped]);

function convert(raw: Raw, path: string, found: Findings): StructuralSchema {
  const { problems } = found;
  const refuse = (why: string): StructuralSchema => {
    problems.push(`${at(path)} ${why}`);
    return {};
  };
  if ('$ref' in raw) return refuse('has an id and becomes a $ref; remove .meta({ id })');
  if ('x-kubernetes-validations' in raw) found.refined.delete(path);
  if (raw['x-kubernetes-int-or-string'] === true) return intOrString(raw);
  if ('anyOf' in raw || 'oneOf' in raw) return refuse(unionProblem(raw));
  for (const key of Object.keys(raw)) {
    if (!understood.has(key)) problems.push(`${at(path)} uses ${key}, which a definition does not know`);
  }
  const out: Record<string, unknown> = {};
  for (const key of copied) if (raw[key] !== undefined) out[key] = raw[key];
  fixScalars(out, path, found);
  fixChildren(raw, out, path, found);
  if (out['type'] === undefined && out['x-kubernetes-preserve-unknown-fields'] !== true) return refuse('has no type');
  checkListMap(out, path, problems);
  return out;
}

function intOrString(raw: Raw): StructuralSchema {
  const { description, pattern, default: value } = raw as StructuralSchema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { default: value }),
    ...(pattern === undefined ? {} : { pattern }),
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
  };
}

function unionProblem(raw: Raw): string {
  const branches = (raw['anyOf'] ?? raw['oneOf']) as Raw[];
  const defaults = branches.some((b) =>
    Object.values((b['properties'] ?? {}) as Record<string, Raw>).some((p) => 'default' in p),
  );
  const advice = 'give each branch an optional field of its own and say with CEL which one is set';
  return defaults
    ? `is a union with a default in one branch, which would be filled in for the others too; ${advice}`
    : `is a union; ${advice}`;
}

const safeRange = 2 ** 53 - 1;
const knownFormats = new Set([
  'int32',
  'int64',
  'float',
  'double',
  'date-time',
  'date',
  'byte',
  'duration',
  'uri',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'cidr',
  'uuid',
]);

function fixScalars(out: Record<string, unknown>, path: string, { problems }: Findings): void {
  if (out['type'] === 'integer') {
    const wide = Math.abs((out['maximum'] as number | undefined) ?? safeRange) > 2 ** 31 - 1;
    if (out['minimum'] === -safeRange) delete out['minimum'];
    if (out['maximum'] === safeRange) delete out['maximum'];
    out['format'] = wide ? 'int64' : 'int32';
  }
  if (out['format'] === 'date-time') delete out['pattern'];
  if (typeof out['format'] === 'string' && !knownFormats.has(out['format'])) delete out['format'];
  const pattern = out['pattern'];
  if (typeof pattern === 'string' && /\(\?(?:[=!]|<[=!])/.test(pattern)) {
    problems.push(`${at(path)} has a pattern with lookaround, which RE2 does not know`);
  }
  if (Array.isArray(out['enum']) && out['enum'].includes(null))
    problems.push(`${at(path)} allows null only; leave the field out instead`);
}

function fixChildren(raw: Raw, out: Record<string, unknown>, path: string, found: Findings): void {
  const properties = raw['properties'] as Record<string, Raw> | undefined;
  const additional = raw['additionalProperties'] as Raw | boolean | undefined;
  const hasProperties = properties !== undefined && Object.keys(properties).length > 0;
  if (hasProperties) {
    const child = (name: string): string => (path === '' ? name : `${path}.${name}`);
    out['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, p]) => [name, convert(p, child(name), found)]),
    );
  }
  if (raw['items'] !== undefined) out['items'] = convert(raw['items'] as Raw, `${path}[]`, found);
  if (additional === true || (typeof additional === 'object' && Object.keys(additional).length === 0)) {
    out['x-kubernetes-preserve-unknown-fields'] = true;
  } else if (typeof additional === 'object') {
    if (hasProperties) found.problems.push(`${at(path)} has named fields and a catch-all; keep one of them`);
    else out['additionalProperties'] = convert(additional, `${path}[*]`, found);
  }
  if (Array.isArray(raw['allOf'])) out['allOf'] = (raw['allOf'] as Raw[]).map((part) => patternOnly(part, path, found));
}

function patternOnly(part: Raw, path: string, { problems }: Findings): StructuralSchema {
  const rest = Object.keys(part).filter((key) => key !== 'type' && key !== 'pattern');
  if (rest.length > 0 || typeof part['pattern'] !== 'string') {
    problems.push(`${at(path)} is an intersection; merge the objects with .extend()`);
    return {};
  }
  return { pattern: part['pattern'] };
}

function checkListMap(schema: StructuralSchema, path: string, problems: string[]): void {
  for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
    const item = schema.items;
    if (item?.required?.includes(key) !== true && item?.properties?.[key]?.default === undefined) {
      problems.push(`${at(path)} is keyed by ${key}, which must be required or have a default`);
    }
  }
}
