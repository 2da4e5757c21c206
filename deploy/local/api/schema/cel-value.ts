import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import type { StructuralSchema } from '@hayate/crds/definition.ts';
import { fieldSchema } from '@hayate/crds/prune.ts';
import { isObject } from '../object.ts';

/** CEL's reserved words, which a field of that name is not called in a rule. Source: apiserver's cel.Escape. */
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Name of a field in a rule: reserved words and characters that CEL does not allow in names are spelled out. */
function ruleName(field: string): string {
  if (reserved.has(field)) return `__${field}__`;
  return field
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

const toTimestamp = plan(celEnv(), parse('timestamp(text)'));

function timestamp(text: string): CelInput {
  const value = toTimestamp({ text });
  return isCelError(value) ? text : value;
}

/**
 * A JSON value as rules see it: whole numbers of integer fields are ints, all others doubles, times are timestamps.
 * What the schema does not describe is typed by its looks, so that equality of the whole still sees it.
 */
export function celValue(schema: StructuralSchema | undefined, value: unknown): CelInput {
  if (Array.isArray(value)) return value.map((item) => celValue(schema?.items, item));
  if (isObject(value)) {
    return new Map(
      Object.entries(value).map(([name, field]) => {
        const child = schema === undefined ? 'anything' : fieldSchema(schema, name);
        const named = schema?.properties !== undefined ? ruleName(name) : name;
        return [named, celValue(child === 'anything' ? undefined : child, field)];
      }),
    );
  }
  if (typeof value === 'number') {
    const whole = Number.isSafeInteger(value) && schema?.type !== 'number';
    return whole ? BigInt(value) : value;
  }
  if (typeof value === 'string' && schema?.format === 'date-time') return timestamp(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}
