import type { Cause } from './resource.ts';

/**
 * Value of a cause as the server prints it: texts quoted, null bare.
 * Source: ErrorBody in apimachinery's util/validation/field.
 */
function printed(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

/** A value that breaks a rule; `detail` says which. */
export function invalidValue(field: string, value: unknown, detail: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${printed(value)}: ${detail}`, field };
}

/** The same, for values too large to print. */
export function invalidWithoutValue(field: string, detail: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${detail}`, field };
}

/** A value of another type: `actual` is what the server calls it. */
export function wrongType(field: string, wanted: string, actual: string): Cause {
  const detail = `${field} in body must be of type ${wanted}: ${printed(actual)}`;
  return { reason: 'FieldValueTypeInvalid', message: `Invalid value: ${printed(actual)}: ${detail}`, field };
}

/** A field that is missing. */
export function requiredValue(field: string, detail = ''): Cause {
  return { reason: 'FieldValueRequired', message: `Required value${detail === '' ? '' : `: ${detail}`}`, field };
}

/** A value outside its enum. */
export function unsupportedValue(field: string, value: unknown, supported: readonly unknown[]): Cause {
  const list = supported.map((s) => JSON.stringify(typeof s === 'string' ? s : JSON.stringify(s))).join(', ');
  return {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${printed(value)}: supported values: ${list}`,
    field,
  };
}

/** A text that is too long; the server says bytes and counts characters. */
export function tooLong(field: string, max: number): Cause {
  return {
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${max} ${max === 1 ? 'byte' : 'bytes'}`,
    field,
  };
}

/** A list or a map with too many entries. */
export function tooMany(field: string, actual: number, max: number): Cause {
  const message = `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`;
  return { reason: 'FieldValueTooMany', message, field };
}

/** Two items of a set or a map that are the same. */
export function duplicateValue(field: string, value: unknown): Cause {
  return { reason: 'FieldValueDuplicate', message: `Duplicate value: ${printed(value)}`, field };
}

/** A value that is not allowed in these circumstances. */
export function forbiddenValue(field: string, detail: string): Cause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${detail}`, field };
}

const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** Set once no CEL rule can be trusted any more; the server says so in a cause of its own, without a field. */
export function rulesNotChecked(causes: readonly Cause[]): Cause | undefined {
  if (!causes.some((cause) => blocking.has(cause.reason))) return undefined;
  const detail =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return invalidValue('<nil>', null, detail);
}
