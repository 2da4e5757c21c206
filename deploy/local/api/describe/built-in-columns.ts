import type { KubeObject } from '../object.ts';
import type { ResourceType } from '../resources.ts';
import { ageColumn, type Column, column, listAt, nameColumn, textAt, valueAt, wide } from './column.ts';
import { eventColumns } from './event-columns.ts';
import { podIp, podReady, podRestarts, podStatus } from './pod-cells.ts';

const text = (path: string, otherwise?: string): Column['cell'] => {
  return (object) => textAt(object, path, otherwise);
};

/** How many entries the maps at `paths` have, together. */
const entries = (...paths: string[]): Column['cell'] => {
  return (object) => paths.reduce((sum, path) => sum + Object.keys(valueAt(object, path) ?? {}).length, 0);
};

const data = (...paths: string[]): Column => ({ ...column('Data', entries(...paths)), type: 'integer' });

const pod: readonly Column[] = [
  column('Ready', podReady),
  column('Status', podStatus),
  column('Restarts', podRestarts),
  ageColumn,
  wide('IP', podIp),
  wide('Node', text('spec.nodeName')),
  wide('Nominated Node', text('status.nominatedNodeName')),
  wide('Readiness Gates', () => '<none>'),
];

const service: readonly Column[] = [
  column('Type', text('spec.type')),
  column('Cluster-IP', text('spec.clusterIP')),
  column('External-IP', () => '<none>'),
  column('Port(s)', servicePorts),
  ageColumn,
  wide('Selector', (object) => {
    const selector = Object.entries(valueAt(object, 'spec.selector') ?? {}).map(([key, value]) => `${key}=${value}`);
    return selector.toSorted().join(',') || '<none>';
  }),
];

function servicePorts(object: KubeObject): string {
  const ports = listAt(object, 'spec.ports').map(
    (port) => `${textAt(port, 'port')}/${textAt(port, 'protocol', 'TCP')}`,
  );
  return ports.join(',') || '<none>';
}

function nodeStatus(object: KubeObject): string {
  const ready = listAt(object, 'status.conditions').find((condition) => valueAt(condition, 'type') === 'Ready');
  if (ready === undefined) return 'Unknown';
  return valueAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
}

const nodeAddress = (type: string): Column['cell'] => {
  return (object) =>
    textAt(
      listAt(object, 'status.addresses').find((a) => valueAt(a, 'type') === type),
      'address',
    );
};

const node: readonly Column[] = [
  column('Status', nodeStatus),
  column('Roles', () => '<none>'),
  ageColumn,
  column('Version', text('status.nodeInfo.kubeletVersion', '')),
  wide('Internal-IP', nodeAddress('InternalIP')),
  wide('External-IP', nodeAddress('ExternalIP')),
  wide('OS-Image', text('status.nodeInfo.osImage', '<unknown>')),
  wide('Kernel-Version', text('status.nodeInfo.kernelVersion', '<unknown>')),
  wide('Container-Runtime', text('status.nodeInfo.containerRuntimeVersion', '<unknown>')),
];

const byPlural: Readonly<Record<string, readonly Column[]>> = {
  pods: pod,
  services: service,
  nodes: node,
  namespaces: [column('Status', text('status.phase')), ageColumn],
  configmaps: [data('data', 'binaryData'), ageColumn],
  secrets: [column('Type', text('type', '')), data('data'), ageColumn],
  leases: [column('Holder', text('spec.holderIdentity', '')), ageColumn],
};

const created: Column = {
  name: 'Created At',
  type: 'date',
  cell: (object) => object.metadata.creationTimestamp ?? null,
};

/** Columns of a built-in kind, as a real server has them, in the same order. */
export function builtInColumns(type: ResourceType): readonly Column[] {
  if (type.plural === 'events') return eventColumns;
  return [nameColumn, ...(byPlural[type.plural] ?? [created])];
}
