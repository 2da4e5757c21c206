import { z } from 'zod';
import type { StructuralSchema } from './definition.ts';
import { fieldSchema, objectMeta, pruneFields } from './prune.ts';
import { toStructural } from './structural.ts';
import { maxNameLength, rootRules, trainingJob } from './trainingjob.ts';

/** One thing that is wrong with a manifest: `field` is a path such as `spec.workers.replicas`, `message` a sentence that names it and says what is allowed. */
interface Problem {
  field: string;
  message: string;
}

export type Validated = { ok: true; job: z.output<typeof trainingJob> } | { ok: false; problems: Problem[] };

const schema = trainingJobSchema();

function trainingJobSchema(): StructuralSchema {
  const root = toStructural(trainingJob.omit({ metadata: true }));
  const name: StructuralSchema = { type: 'string', maxLength: maxNameLength, minLength: 1 };
  const metadata = { ...objectMeta, required: ['name'], properties: { ...objectMeta.properties, name } };
  return { ...root, properties: { ...root.properties, metadata } };
}

/**
 * Checks a TrainingJob manifest and fills in its defaults, as an API server with our definition would. Names all
 * problems at once: unknown fields by their path, missing fields, wrong types, impossible values, rules over several fields.
 */
export function validateTrainingJob(raw: unknown): Validated {
  if (!isObject(raw)) {
    return {
      ok: false,
      problems: [
        {
          field: '',
          message: `The manifest is ${show(raw)}; it must be an object with apiVersion, kind, metadata and spec.`,
        },
      ],
    };
  }
  const unknown: string[] = [];
  const known = pruneFields(schema, withoutNulls(schema, raw), '', unknown);
  const problems = unknown.map(unknownProblem);
  const metadata = metadataFields.safeParse(known);
  const parsed = trainingJob.safeParse(known);
  const issues = [...(metadata.error?.issues ?? []), ...(parsed.error?.issues ?? [])];
  for (const issue of issues) {
    const problem = issueProblem(issue, known);
    if (!problems.some((p) => p.message === problem.message)) problems.push(problem);
  }
  return parsed.success && problems.length === 0 ? { ok: true, job: parsed.data } : { ok: false, problems };
}

const texts = z.record(z.string(), z.string().nullable()).nullish();

/** Of the metadata what people write; the rest is the server's. */
const metadataFields = z.object({
  metadata: z.object({
    namespace: z.string().nullish(),
    labels: texts,
    annotations: texts,
    finalizers: z.array(z.string()).nullish(),
  }),
});

type Issue = z.core.$ZodIssue;

function issueProblem(issue: Issue, raw: unknown): Problem {
  const field = pathText(issue.path);
  if (issue.code === 'custom') return { field, message: `${field}: ${issue.message}.` };
  if (field === 'metadata.name' && issue.code === 'invalid_format')
    return { field, message: `${rootRules[1]?.message}.` };
  const value = issue.path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown> | undefined)?.[key], raw);
  const must = `it must be ${allowed(schemaAt(issue.path))}.`;
  return {
    field,
    message: value === undefined ? `${field} is missing; ${must}` : `${field} is ${show(value)}; ${must}`,
  };
}

function unknownProblem(field: string): Problem {
  const parts = field.split(/\.(?=[^.]*$)/);
  const parent = parts.length > 1 ? (parts[0] ?? '') : '';
  const name = parts.at(-1) ?? field;
  const siblings = Object.keys(schemaAt(parent.split(/[.[\]]+/).filter((p) => p !== ''))?.properties ?? {});
  const near = siblings.find(
    (sibling) => distance(sibling.toLowerCase(), name.toLowerCase()) <= (name.length < 4 ? 1 : 2),
  );
  const where = parent === '' ? 'a TrainingJob' : parent;
  const hint = near === undefined ? `the fields of ${where} are ${siblings.join(', ')}` : `did you mean ${near}?`;
  return { field, message: `${field} is not a field that exists; ${hint}${near === undefined ? '.' : ''}` };
}

/** What a value of this schema may be, as the end of a sentence. */
function allowed(node: StructuralSchema | undefined): string {
  if (node === undefined) return 'something else';
  if (node.enum !== undefined) return listed(node.enum.map((value) => JSON.stringify(value)));
  switch (node.type) {
    case 'integer':
      return `a whole number${range(node.minimum, node.maximum)}`;
    case 'number':
      return `a number${range(node.minimum, node.maximum)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      if (node.format === 'date-time') return 'a time such as 2026-01-31T12:00:00Z';
      return `text${(node.minLength ?? 0) > 0 ? ' that is not empty' : ''}${node.maxLength === undefined ? '' : ` of at most ${node.maxLength} characters`}`;
    case 'array':
      return `a list${range(node.minItems, node.maxItems)}${node.minItems === undefined && node.maxItems === undefined ? '' : ' items'}`;
    case 'object': {
      const { required } = node;
      return required === undefined ? 'an object' : `an object with ${required.join(', ')}`;
    }
    case undefined:
      return 'something else';
    default:
      return node.type satisfies never;
  }
}

function listed(values: string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `one of ${values.join(', ')}`;
}

function range(from: number | undefined, to: number | undefined): string {
  if (from !== undefined && to !== undefined && to < 2 ** 31 - 1) return ` from ${from} to ${to}`;
  if (from !== undefined) return ` of at least ${from}`;
  return to === undefined ? '' : ` of at most ${to}`;
}

function schemaAt(path: readonly PropertyKey[]): StructuralSchema | undefined {
  let node: StructuralSchema | undefined = schema;
  for (const key of path) {
    const next: StructuralSchema | 'anything' | undefined =
      node.type === 'array' ? node.items : fieldSchema(node, String(key));
    if (next === undefined || next === 'anything') return undefined;
    node = next;
  }
  return node;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${String(key)}`),
    '',
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

/** Null means absent wherever the schema does not allow it, as on a server. */
function withoutNulls(node: StructuralSchema | undefined, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutNulls(node?.items, item));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, field]) => {
    const child = node === undefined ? undefined : fieldSchema(node, name);
    if (child === undefined || child === 'anything') return [[name, field] as const];
    return field === null && child.nullable !== true ? [] : [[name, withoutNulls(child, field)] as const];
  });
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Edits between two short words: insertions, deletions, replacements, each 1 (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
