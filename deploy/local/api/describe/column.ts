import type { KubeObject } from '../object.ts';
import { ageSince } from './ages.ts';

/** What a cell may hold; null where there is nothing. */
export type Cell = string | number | boolean | null;

/** A column of a Table, with the way to fill it. Columns of priority 1 are for `-o wide`. */
export interface Column {
  name: string;
  type: string;
  format?: string;
  description?: string;
  priority?: number;
  cell: (object: KubeObject, now: Date) => Cell;
}

/** The value at a path such as `spec.nodeName`; undefined where there is none. */
export function valueAt(object: unknown, path: string): unknown {
  return path
    .split('.')
    .filter((part) => part !== '')
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | null | undefined)?.[part], object);
}

/** The text or number at a path, or what to show where there is none. */
export function textAt(object: unknown, path: string, otherwise = '<none>'): string {
  const value = valueAt(object, path);
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : otherwise;
}

/** The objects of a list at a path. */
export function listAt(object: unknown, path: string): readonly unknown[] {
  const value = valueAt(object, path);
  return Array.isArray(value) ? value : [];
}

export function column(name: string, cell: Column['cell'], priority = 0): Column {
  return { name, type: 'string', priority, cell };
}

/** A column for `-o wide`. */
export function wide(name: string, cell: Column['cell']): Column {
  return column(name, cell, 1);
}

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique in its namespace.',
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column = column('Age', (object, now) => ageSince(object.metadata.creationTimestamp, now));
