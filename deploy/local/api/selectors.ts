import { badRequest } from './errors.ts';
import type { KubeObject } from './object.ts';

/** Decides whether an object belongs to a selection. */
export type Selector = (object: KubeObject) => boolean;

const labelKey = String.raw`[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?`;
const setTerm = new RegExp(String.raw`^(${labelKey})\s+(in|notin)\s*\(([^()]*)\)$`);
const equalTerm = new RegExp(String.raw`^(${labelKey})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)$`);
const existsTerm = new RegExp(String.raw`^(!?)\s*(${labelKey})$`);

/**
 * A label selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, joined by commas. An object without
 * the label matches `!=` and `notin`. Throws 400 for anything else.
 */
export function labelSelector(text: string): Selector {
  const terms = text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .map(labelTerm);
  return (object) => terms.every((term) => term(object.metadata.labels ?? {}));
}

function labelTerm(term: string): (labels: Record<string, string>) => boolean {
  const set = setTerm.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    const wanted = operator === 'in';
    return (labels) => (Object.hasOwn(labels, key) && values.has(labels[key]!)) === wanted;
  }
  const equal = equalTerm.exec(term);
  if (equal !== null) {
    const [, key = '', operator, value] = equal;
    const wanted = operator !== '!=';
    return (labels) => (Object.hasOwn(labels, key) && labels[key] === value) === wanted;
  }
  const exists = existsTerm.exec(term);
  if (exists !== null) {
    const [, not, key = ''] = exists;
    return (labels) => Object.hasOwn(labels, key) === (not === '');
  }
  throw badRequest(
    `unable to parse requirement: found '${term}', expected: a label and one of =, !=, in, notin, exists`,
  );
}

/**
 * A field selector: `a.b=c`, `a.b==c`, `a.b!=c`, joined by commas; an absent field is empty. Throws 400 for a
 * field that is neither name, namespace nor one of `selectable`.
 */
export function fieldSelector(text: string, selectable: readonly string[]): Selector {
  const terms = text
    .split(/(?<!\\),/)
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const match = /^\s*([^=!\s]+)\s*(==|=|!=)(.*)$/s.exec(term);
      if (match === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
      const [, field = '', operator, raw = ''] = match;
      if (field !== 'metadata.name' && field !== 'metadata.namespace' && !selectable.includes(field)) {
        throw badRequest(`field label not supported: ${field}`);
      }
      return { field, wanted: operator !== '!=', value: raw.replace(/\\(.)/g, '$1') };
    });
  return (object) => terms.every((term) => (fieldText(object, term.field) === term.value) === term.wanted);
}

function fieldText(object: KubeObject, field: string): string {
  if (field === 'source') return fieldText(object, 'source.component');
  let value: unknown = object;
  for (const part of field.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
