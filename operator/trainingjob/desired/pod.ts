import { configVariable, encodeWorkerConfig, labels, telemetryPort } from '@hayate/crds/worker-config.ts';
import type { Container, Pod } from '../../kube/core.ts';
import { type Job, labelsOf, ownerOf } from './labels.ts';

/** Pod names carry the attempt, so that creating one twice is harmless and two attempts never share a name. */
export function podName(job: Pick<Job, 'name'>, index: number, attempt: number): string {
  return `${job.name}-w${index}-a${attempt}`;
}

/** One worker of one attempt: the template, with the operator's own fields winning. */
export function desiredPod(job: Job, index: number, attempt: number, workerImage: string): Pod {
  const { metadata, spec } = job.spec.workers.template;
  const [first, ...others] = (spec?.containers ?? []) as Partial<Container>[];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(job, index, attempt),
      namespace: job.namespace,
      labels: {
        ...metadata?.labels,
        ...labelsOf(job, 'worker'),
        [labels.attempt]: String(attempt),
        [labels.workerIndex]: String(index),
      },
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ownerReferences: [ownerOf(job)],
    },
    spec: {
      // Workers never speak to the API server.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...spec,
      restartPolicy: 'Never',
      hostname: `${job.name}-w${index}`,
      subdomain: job.name,
      containers: [workerContainer(job, index, attempt, workerImage, first ?? {}), ...(others as Container[])],
    },
  };
}

function workerContainer(
  job: Job,
  index: number,
  attempt: number,
  workerImage: string,
  template: Partial<Container>,
): Container {
  const { resourceName } = job.spec.workers;
  const { port } = job.spec.communication;
  const ports = [
    { name: 'grpc', containerPort: port, protocol: 'TCP' },
    { name: 'metrics', containerPort: telemetryPort, protocol: 'TCP' },
  ];
  const kept = (template.ports ?? []).filter(
    (p) => !ports.some((own) => own.name === p.name || own.containerPort === p.containerPort),
  );
  const limits = { ...(resourceName === '' ? {} : { [resourceName]: '1' }), ...template.resources?.limits };
  return {
    ...template,
    name: template.name ?? 'worker',
    image: template.image ?? workerImage,
    env: [...(template.env ?? []), { name: configVariable, value: configOf(job, index, attempt) }],
    ports: [...kept, ...ports],
    ...(resourceName === '' ? {} : { resources: { ...template.resources, limits } }),
    readinessProbe: {
      httpGet: { path: '/readyz', port: telemetryPort, scheme: 'HTTP' },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
  };
}

function configOf(job: Job, rank: number, attempt: number): string {
  const { workers, training, communication, memory, checkpoint, limits } = job.spec;
  const worldSize = workers.replicas;
  return encodeWorkerConfig({
    job: { uid: job.uid, namespace: job.namespace, name: job.name, attempt },
    rank,
    worldSize,
    peers: Array.from(
      { length: worldSize },
      (_, r) => `${job.name}-w${r}.${job.name}.${job.namespace}.svc:${communication.port}`,
    ),
    device: workers.resourceName === '' ? 'cpu' : 'gpu',
    training,
    communication,
    memory,
    checkpoint,
    startupSeconds: limits.startupSeconds,
  });
}
