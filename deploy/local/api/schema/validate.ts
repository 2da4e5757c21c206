import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { isObject, jsonEqual } from '../object.ts';
import {
  duplicateValue,
  invalidValue,
  requiredValue,
  rulesNotChecked,
  tooLong,
  tooMany,
  unsupportedValue,
  wrongType,
} from './causes.ts';
import { validateRules } from './cel.ts';
import { counterpart, identity } from './list-map.ts';
import { type Cause, wholeObject } from './resource.ts';

/**
 * Checks a whole object, defaults filled in, against the schema of its definition, and all CEL rules if the schema
 * holds. With `old`, transition rules apply, and what an update leaves as it was is not held against it.
 */
export function validate(schema: StructuralSchema, value: unknown, old?: unknown): Cause[] {
  const causes = visit(wholeObject(schema), value, '', old);
  const unchecked = rulesNotChecked(causes);
  return unchecked === undefined ? [...causes, ...validateRules(schema, value, old)] : [...causes, unchecked];
}

/** Causes of one value and what lies in it. The wording is that of kube-openapi's validation. */
function visit(schema: StructuralSchema, value: unknown, field: string, old: unknown): Cause[] {
  if (old !== undefined && jsonEqual(value, old)) return [];
  const causes = [...typeCauses(schema, value, field), ...valueCauses(schema, value, field)];
  if (Array.isArray(value)) causes.push(...listCauses(schema, value, field, old));
  else if (isObject(value)) causes.push(...objectCauses(schema, value, field, old));
  return [...causes, ...combinedCauses(schema, value, field)];
}

function typeCauses(schema: StructuralSchema, value: unknown, field: string): Cause[] {
  const { type, format } = schema;
  if (type === undefined) return [];
  if (value === null) return schema.nullable === true ? [] : [wrongType(field, type, 'null')];
  const actual = typeName(value);
  const fits = actual === type || (type === 'number' && actual === 'integer');
  const scalar = actual !== 'string' && actual !== 'array';
  if (!fits && scalar && format !== undefined) return [wrongType(field, format, formatName(value))];
  if (!fits) return format !== undefined && type === 'string' && !scalar ? [] : [wrongType(field, type, actual)];
  if (format === 'date-time' && typeof value === 'string' && !isDateTime(value)) {
    return [wrongType(field, format, value)];
  }
  return [];
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** What the server calls the format of a value that is neither text nor list. */
function formatName(value: unknown): string {
  if (typeof value !== 'number') return '';
  return Number.isInteger(value) ? 'int64' : 'float64';
}

/** RFC 3339, as the server reads it. */
function isDateTime(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
  );
}

const patterns = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  const compiled = patterns.get(pattern) ?? new RegExp(pattern, 'u');
  patterns.set(pattern, compiled);
  return compiled.test(text);
}

function valueCauses(schema: StructuralSchema, value: unknown, field: string): Cause[] {
  const causes: Cause[] = [];
  if (
    schema.enum !== undefined &&
    !(value === null && schema.nullable === true) &&
    !schema.enum.some((e) => jsonEqual(e, value))
  ) {
    causes.push(unsupportedValue(field, value, schema.enum));
  }
  if (typeof value === 'string') causes.push(...textCauses(schema, value, field));
  if (typeof value === 'number') causes.push(...numberCauses(schema, value, field));
  return causes;
}

function textCauses(schema: StructuralSchema, value: string, field: string): Cause[] {
  const { minLength, maxLength, pattern } = schema;
  const length = Array.from(value).length;
  if (maxLength !== undefined && length > maxLength) return [tooLong(field, maxLength)];
  if (minLength !== undefined && length < minLength) {
    return [invalidValue(field, value, `${field} in body should be at least ${minLength} chars long`)];
  }
  if (pattern === undefined || matches(pattern, value)) return [];
  return [invalidValue(field, value, `${field} in body should match '${pattern}'`)];
}

function numberCauses(schema: StructuralSchema, value: number, field: string): Cause[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const causes: Cause[] = [];
  const bad = (rule: string): number => causes.push(invalidValue(field, value, `${field} in body should be ${rule}`));
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) bad(`a multiple of ${multipleOf}`);
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    bad(`${exclusiveMaximum === true ? 'less than' : 'less than or equal to'} ${maximum}`);
  }
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    bad(`${exclusiveMinimum === true ? 'greater than' : 'greater than or equal to'} ${minimum}`);
  }
  return causes;
}

function listCauses(schema: StructuralSchema, value: unknown[], field: string, old: unknown): Cause[] {
  const { items, minItems, maxItems } = schema;
  const keys = schema['x-kubernetes-list-map-keys'];
  const causes: Cause[] = [];
  if (minItems !== undefined && value.length < minItems) {
    causes.push(invalidValue(field, value.length, `${field} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) causes.push(tooMany(field, value.length, maxItems));
  if (items !== undefined) {
    value.forEach((item, index) =>
      causes.push(...visit(items, item, `${field}[${index}]`, counterpart(keys, item, old))),
    );
  }
  if (keys !== undefined || schema['x-kubernetes-list-type'] === 'set') {
    value.forEach((item, index) => {
      if (value.slice(0, index).some((other) => jsonEqual(identity(keys, other), identity(keys, item)))) {
        causes.push(duplicateValue(`${field}[${index}]`, identity(keys, item)));
      }
    });
  }
  return causes;
}

function objectCauses(schema: StructuralSchema, value: Record<string, unknown>, field: string, old: unknown): Cause[] {
  const { required, properties, additionalProperties, minProperties, maxProperties } = schema;
  const child = (name: string): string => (field === '' ? name : `${field}.${name}`);
  const count = Object.keys(value).length;
  const before = isObject(old) ? old : {};
  const causes: Cause[] = [];
  if (minProperties !== undefined && count < minProperties) {
    causes.push(invalidValue(field, count, `${field} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) causes.push(tooMany(field, count, maxProperties));
  for (const [name, inner] of Object.entries(value)) {
    const own = Object.hasOwn(properties ?? {}, name) ? properties?.[name] : additionalProperties;
    if (typeof own === 'object') causes.push(...visit(own, inner, child(name), before[name]));
  }
  for (const name of required ?? []) if (!Object.hasOwn(value, name)) causes.push(requiredValue(child(name)));
  return causes;
}

/** allOf, anyOf, oneOf, not: one cause each, which names no branch, as on a real server. */
function combinedCauses(schema: StructuralSchema, value: unknown, field: string): Cause[] {
  const holds = (branch: StructuralSchema): boolean => visit(branch, value, field, undefined).length === 0;
  const causes = (schema.allOf ?? []).flatMap((branch) => visit(branch, value, field, undefined));
  const bad = (rule: string): number => causes.push(invalidValue(field, value, `"${field}" must ${rule}`));
  if (schema.anyOf !== undefined && !schema.anyOf.some(holds)) bad('validate at least one schema (anyOf)');
  const valid = schema.oneOf?.filter(holds).length ?? 1;
  if (valid !== 1) {
    bad(
      `validate one and only one schema (oneOf). Found ${valid === 0 ? 'none valid' : `${valid} valid alternatives`}`,
    );
  }
  if (schema.not !== undefined && holds(schema.not)) bad('not validate the schema (not)');
  return causes;
}
