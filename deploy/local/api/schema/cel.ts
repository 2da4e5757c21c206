import { type CelInput, type CelResult, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import type { SchemaRule, StructuralSchema } from '@hayate/crds/definition.ts';
import { isObject, jsonEqual } from '../object.ts';
import { duplicateValue, forbiddenValue, invalidValue, invalidWithoutValue, requiredValue } from './causes.ts';
import { celValue } from './cel-value.ts';
import { counterpart } from './list-map.ts';
import type { Cause } from './resource.ts';

type Program = (bindings: Record<string, CelInput>) => CelResult;
type Compiled = { ok: true; evaluate: Program; usesOldSelf: boolean } | { ok: false; error: string };

const environment = celEnv({ funcs: strings });
const programs = new Map<string, Compiled>();

/** Parses a rule once for the life of the process: rules come from definitions, of which there are few. */
function compiled(expression: string): Compiled {
  const known = programs.get(expression);
  if (known !== undefined) return known;
  let result: Compiled;
  try {
    const evaluate = plan(environment, parse(expression));
    result = { ok: true, evaluate, usesOldSelf: /\boldSelf\b/.test(expression) };
  } catch (error) {
    result = { ok: false, error: (error as Error).message };
  }
  programs.set(expression, result);
  return result;
}

/**
 * Causes of all x-kubernetes-validations below `schema` that do not hold. Rules that speak of oldSelf apply to an
 * update of a value that was there before; the others are not held against a value that stays as it was.
 * Source of order and wording: apiextensions-apiserver's schema/cel/validation.go.
 */
export function validateRules(schema: StructuralSchema, value: unknown, old?: unknown): Cause[] {
  return visit(schema, value, old, '');
}

function visit(schema: StructuralSchema, value: unknown, old: unknown, field: string): Cause[] {
  if (value === null || value === undefined) return [];
  const causes = ownRules(schema, value, old, field);
  for (const branch of schema.allOf ?? []) causes.push(...visit(branch, value, old, field));
  if (Array.isArray(value)) {
    const { items } = schema;
    const keys = schema['x-kubernetes-list-map-keys'];
    if (items === undefined) return causes;
    value.forEach((item, index) =>
      causes.push(...visit(items, item, counterpart(keys, item, old), `${field}[${index}]`)),
    );
  } else if (isObject(value)) {
    const before = isObject(old) ? old : {};
    for (const [name, inner] of Object.entries(value)) {
      const own = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name] : undefined;
      const other = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      if (own !== undefined) causes.push(...visit(own, inner, before[name], field === '' ? name : `${field}.${name}`));
      else if (other !== undefined) causes.push(...visit(other, inner, before[name], `${field}[${name}]`));
    }
  }
  return causes;
}

function ownRules(schema: StructuralSchema, value: unknown, old: unknown, field: string): Cause[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return [];
  const bindings: Record<string, CelInput> = { self: celValue(schema, value) };
  if (old !== undefined && old !== null) bindings['oldSelf'] = celValue(schema, old);
  const unchanged = old !== undefined && jsonEqual(value, old);
  return rules.flatMap((rule) => ruleCauses(rule, schema, value, bindings, unchanged, field));
}

function ruleCauses(
  rule: SchemaRule,
  schema: StructuralSchema,
  value: unknown,
  bindings: Record<string, CelInput>,
  unchanged: boolean,
  field: string,
): Cause[] {
  const program = compiled(rule.rule);
  const root = field === '' ? '<nil>' : field;
  if (!program.ok) return [invalidWithoutValue(root, `rule compile error: ${program.error}`)];
  if (program.usesOldSelf && bindings['oldSelf'] === undefined) return [];
  const result = program.evaluate(bindings);
  if (result === true || (unchanged && !program.usesOldSelf)) return [];
  const name = (rule.message ?? rule.rule).trim();
  if (isCelError(result)) {
    const why = result.message.replace(/^field not found: /, 'no such key: ');
    return [invalidWithoutValue(root, `${why} evaluating rule: ${name}`)];
  }
  const below = rule.fieldPath?.replace(/^\./, '') ?? '';
  const at = [field, below].filter((part) => part !== '').join('.') || '<nil>';
  return [cause(rule, schema, value, at, ruleMessage(rule, bindings))];
}

function ruleMessage(rule: SchemaRule, bindings: Record<string, CelInput>): string {
  if (rule.messageExpression !== undefined) {
    const program = compiled(rule.messageExpression);
    const text = program.ok ? program.evaluate(bindings) : undefined;
    if (typeof text === 'string' && text.trim() !== '' && !text.trim().includes('\n')) return text.trim();
  }
  return rule.message === undefined ? `failed rule: ${rule.rule.trim()}` : rule.message.trim();
}

/** Objects and lists are not printed, as of Kubernetes 1.35 (kubernetes/kubernetes pull request 133832). */
function cause(rule: SchemaRule, schema: StructuralSchema, value: unknown, at: string, detail: string): Cause {
  switch (rule.reason) {
    case 'FieldValueRequired':
      return requiredValue(at, detail);
    case 'FieldValueForbidden':
      return forbiddenValue(at, detail);
    case 'FieldValueDuplicate':
      return duplicateValue(at, value);
    case undefined:
    default: {
      const large = schema.type === 'object' || schema.type === 'array';
      return large ? invalidWithoutValue(at, detail) : invalidValue(at, value, detail);
    }
  }
}
