import type { KubeObject, Resource } from './object.ts';

export const podResource: Resource = { group: '', version: 'v1', plural: 'pods' };
export const serviceResource: Resource = { group: '', version: 'v1', plural: 'services' };
export const eventResource: Resource = { group: '', version: 'v1', plural: 'events' };

/** A finished container, as a kubelet reports it. */
export interface Terminated {
  exitCode: number;
  signal?: number;
  reason?: string;
  message?: string;
  startedAt?: string;
  finishedAt?: string;
}

interface ContainerStatus {
  name: string;
  ready?: boolean;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: { startedAt?: string };
    terminated?: Terminated;
  };
}

/** A container as far as this project reads or sets it; other fields of a template pass through. */
export interface Container {
  name: string;
  image?: string;
  env?: { name: string; value?: string; [field: string]: unknown }[];
  ports?: { name?: string; containerPort: number; protocol?: string; [field: string]: unknown }[];
  resources?: { limits?: Record<string, unknown>; requests?: Record<string, unknown>; [field: string]: unknown };
  readinessProbe?: unknown;
  [field: string]: unknown;
}

export interface Pod extends KubeObject {
  spec: {
    containers: Container[];
    restartPolicy?: string;
    hostname?: string;
    subdomain?: string;
    nodeName?: string;
    [field: string]: unknown;
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
  };
}

interface ServicePort {
  name: string;
  port: number;
  targetPort: number;
  protocol: string;
}

export interface Service extends KubeObject {
  spec: {
    clusterIP?: string;
    publishNotReadyAddresses?: boolean;
    selector?: Record<string, string>;
    ports?: ServicePort[];
  };
}

/** core/v1 Event: what `kubectl describe` prints under an object. */
export interface CoreEvent extends KubeObject {
  involvedObject: { apiVersion: string; kind: string; namespace: string; name: string; uid: string };
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
}
