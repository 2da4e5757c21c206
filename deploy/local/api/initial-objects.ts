import type { CustomResourceDefinition } from '@hayate/crds/definition.ts';
import { type Backend, newUid } from './backend.ts';
import { coreDefaults } from './core-kinds.ts';
import { type KubeObject, kubeTime } from './object.ts';
import { permanentNamespaces } from './write/delete.ts';

/** Name of the one node, which the process kubelet binds pods to. */
const nodeName = 'local';

/**
 * Puts in what a cluster has from the start: its namespaces, its node with `devices` of each extended resource, and the
 * definitions of its custom resources.
 */
export function plantInitialObjects(
  backend: Backend,
  crds: readonly CustomResourceDefinition[],
  devices: Readonly<Record<string, number>>,
): void {
  const time = kubeTime(backend.now());
  const born = (name: string) => ({ name, uid: newUid(backend.randomBytes), creationTimestamp: time });
  for (const name of permanentNamespaces) {
    const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: born(name) };
    backend.store.put('namespaces', coreDefaults(namespace));
  }
  backend.store.put('nodes', localNode(born(nodeName), time, devices));
  for (const crd of crds) {
    const { names, versions } = crd.spec;
    const condition = (type: string, reason: string) => ({ type, status: 'True', reason, lastTransitionTime: time });
    backend.store.put('customresourcedefinitions.apiextensions.k8s.io', {
      ...crd,
      metadata: { ...crd.metadata, ...born(crd.metadata.name), generation: 1 },
      status: {
        conditions: [condition('NamesAccepted', 'NoConflicts'), condition('Established', 'InitialNamesAccepted')],
        acceptedNames: names,
        storedVersions: versions.filter((version) => version.storage).map((version) => version.name),
      },
    });
  }
}

/** The one node that pods run on: this machine. */
function localNode(
  metadata: KubeObject['metadata'],
  time: string,
  devices: Readonly<Record<string, number>>,
): KubeObject {
  const counts = Object.fromEntries(Object.entries(devices).map(([name, count]) => [name, String(count)]));
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'ProcessKubelet',
    message: 'pods run as processes of this machine',
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { ...metadata, labels: { 'kubernetes.io/hostname': metadata.name } },
    spec: {},
    status: {
      capacity: counts,
      allocatable: counts,
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      conditions: [{ ...ready, lastHeartbeatTime: time, lastTransitionTime: time }],
    },
  };
}
