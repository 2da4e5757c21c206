import type { PrinterColumn } from '@hayate/crds/definition.ts';
import type { KubeObject } from '../object.ts';
import type { ResourceType } from '../resources.ts';
import { ageSince } from './ages.ts';
import { builtInColumns } from './built-in-columns.ts';
import { type Cell, type Column, nameColumn, valueAt } from './column.ts';

/**
 * Objects as a Table (meta.k8s.io/v1), which is what `kubectl get` prints. `metadata` is the list's. `includeObject`
 * is the query parameter: rows carry the metadata (the default), the whole object (`Object`) or nothing (`None`).
 */
export function tableDocument(
  type: ResourceType,
  objects: readonly KubeObject[],
  metadata: object,
  includeObject: string | null,
  now: Date,
): object {
  const columns = columnsOf(type);
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format: format ?? '',
      description: description ?? '',
      priority: priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, now)),
      object: rowObject(object, includeObject),
    })),
  };
}

function rowObject(object: KubeObject, includeObject: string | null): object | null {
  if (includeObject === 'Object') return object;
  if (includeObject === 'None') return null;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function columnsOf(type: ResourceType): readonly Column[] {
  return type.printerColumns === undefined
    ? builtInColumns(type)
    : [nameColumn, ...type.printerColumns.map(printerColumn)];
}

function printerColumn({ jsonPath, ...column }: PrinterColumn): Column {
  return {
    ...column,
    cell: (object, now) => {
      const value = valueAt(object, jsonPath);
      return value === undefined || value === null ? null : printed(column.type, value, now);
    },
  };
}

/** A value that is not of its column's type is not shown, as on a real server. */
function printed(type: PrinterColumn['type'], value: unknown, now: Date): Cell {
  switch (type) {
    case 'date':
      return ageSince(value, now);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value);
    default:
      return type satisfies never;
  }
}
