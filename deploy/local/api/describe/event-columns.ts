import type { KubeObject } from '../object.ts';
import { ageSince } from './ages.ts';
import { type Column, column, textAt, valueAt, wide } from './column.ts';

/** Newer writers fill eventTime and the series, older ones the timestamps. */
const firstSeen = (object: KubeObject): unknown =>
  object['firstTimestamp'] ?? object['eventTime'] ?? object.metadata.creationTimestamp;
const lastSeen = (object: KubeObject): unknown =>
  valueAt(object, 'series.lastObservedTime') ?? object['lastTimestamp'] ?? firstSeen(object);

function source(object: KubeObject): string {
  const component = textAt(object, 'source.component', textAt(object, 'reportingComponent', ''));
  return [component, textAt(object, 'source.host', '')].filter((part) => part !== '').join(', ');
}

/** Columns of an event, which has no column for its own name but in `-o wide`. */
export const eventColumns: readonly Column[] = [
  column('Last Seen', (object, now) => ageSince(lastSeen(object), now)),
  column('Type', (object) => textAt(object, 'type', '')),
  column('Reason', (object) => textAt(object, 'reason', '')),
  column('Object', (object) => {
    const { involvedObject } = object;
    return `${textAt(involvedObject, 'kind', '').toLowerCase()}/${textAt(involvedObject, 'name', '')}`;
  }),
  wide('Subobject', (object) => textAt(object, 'involvedObject.fieldPath', '')),
  wide('Source', source),
  column('Message', (object) => textAt(object, 'message', '').trim()),
  wide('First Seen', (object, now) => ageSince(firstSeen(object), now)),
  {
    ...wide('Count', (object) => Number(valueAt(object, 'series.count') ?? object['count'] ?? 1)),
    type: 'integer',
  },
  { ...wide('Name', (object) => object.metadata.name), format: 'name' },
];
