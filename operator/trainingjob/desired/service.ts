import { labels, telemetryPort } from '@hayate/crds/worker-config.ts';
import type { Service } from '../../kube/core.ts';
import { type Job, labelsOf, ownerOf } from './labels.ts';

/** The headless service that gives workers their names; it publishes them before they are ready, since they meet first. */
export function desiredService(job: Job): Service {
  const port = job.spec.communication.port;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: job.name,
      namespace: job.namespace,
      labels: labelsOf(job, 'rendezvous'),
      ownerReferences: [ownerOf(job)],
    },
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [labels.job]: job.name },
      ports: [
        { name: 'grpc', port, targetPort: port, protocol: 'TCP' },
        { name: 'metrics', port: telemetryPort, targetPort: telemetryPort, protocol: 'TCP' },
      ],
    },
  };
}

/** The merge patch that repairs a service, or undefined when it serves its purpose. Fields of others stay. */
export function serviceRepair(actual: Service, job: Job): object | undefined {
  const { publishNotReadyAddresses, selector, ports = [] } = desiredService(job).spec;
  const has = actual.spec;
  const samePorts =
    has.ports?.length === ports.length &&
    ports.every((port, i) => has.ports?.[i]?.name === port.name && has.ports[i]?.port === port.port);
  const sameSelector = has.selector?.[labels.job] === job.name && Object.keys(has.selector).length === 1;
  if (has.publishNotReadyAddresses === true && samePorts && sameSelector) return undefined;
  const removed = Object.fromEntries(Object.keys(has.selector ?? {}).map((key) => [key, null]));
  return { spec: { publishNotReadyAddresses, ports, selector: { ...removed, ...selector } } };
}
