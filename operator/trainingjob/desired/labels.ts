import type { TrainingJobSpec } from '@hayate/crds/trainingjob.ts';
import { apiVersion, resource } from '@hayate/crds/trainingjob.ts';
import { labels } from '@hayate/crds/worker-config.ts';
import type { Owner } from '../../kube/object.ts';

/** A job that may be acted on: its identity and its spec with defaults. */
export interface Job {
  name: string;
  namespace: string;
  uid: string;
  generation: number;
  spec: TrainingJobSpec;
}

export const managedBy = { label: 'app.kubernetes.io/managed-by', value: 'hayate' } as const;

/** Labels of everything that is made for a job. */
export function labelsOf(job: Pick<Job, 'name'>, component: 'worker' | 'rendezvous'): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'hayate',
    'app.kubernetes.io/instance': job.name,
    'app.kubernetes.io/component': component,
    [managedBy.label]: managedBy.value,
    [labels.job]: job.name,
  };
}

/** Label selector of a job's pods, as text. */
export function selectorOf(job: Pick<Job, 'name'>): string {
  return `${labels.job}=${job.name}`;
}

/** What makes the garbage collector delete a child with its job. */
export function ownerOf(job: Pick<Job, 'name' | 'uid'>): Owner {
  return {
    apiVersion,
    kind: resource.kind,
    name: job.name,
    uid: job.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
