import type { ObjectMeta } from '@hayate/crds/object-meta.ts';

/** A pod as far as the process kubelet reads it; everything else is left alone. */
export interface Pod {
  metadata: ObjectMeta & { namespace: string; uid: string };
  spec: {
    nodeName?: string;
    hostname?: string;
    subdomain?: string;
    terminationGracePeriodSeconds?: number;
    containers: Container[];
  };
  status?: { phase?: string };
}

export interface Container {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: EnvironmentVariable[];
  ports?: { name?: string; containerPort: number }[];
  /** Of extended resources requests equal limits. */
  resources?: { limits?: Record<string, string | number> };
  readinessProbe?: Probe;
  terminationMessagePolicy?: string;
}

export interface EnvironmentVariable {
  name: string;
  value?: string;
  valueFrom?: { fieldRef?: { fieldPath: string } };
}

export interface Probe {
  httpGet?: { path?: string; port: number | string };
  initialDelaySeconds?: number;
  periodSeconds?: number;
  timeoutSeconds?: number;
  failureThreshold?: number;
}

/** Identity of a pod for maps and logs; a pod of the same name made later has another uid. */
export function podKey(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
