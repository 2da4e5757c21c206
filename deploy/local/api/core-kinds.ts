import type { StatusCause } from './errors.ts';
import { isObject, type Json, type JsonObject, type KubeObject } from './object.ts';
import { podChangeCauses } from './pod-changes.ts';

const list = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** Null is the same as absent in a core kind. */
export function withoutNulls<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T;
  if (!isObject(value)) return value;
  const present = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(present.map(([field, child]) => [field, withoutNulls(child)])) as T;
}

/** The object with the defaults of its core kind filled in; other kinds come back as they are. Nothing is mutated. */
export function coreDefaults(object: KubeObject): KubeObject {
  const spec = isObject(object['spec']) ? object['spec'] : {};
  switch (object.kind) {
    case 'Pod':
      return {
        ...object,
        spec: podSpec(spec),
        status: { phase: 'Pending', ...(object['status'] as JsonObject | undefined) },
      };
    case 'Service':
      return {
        ...object,
        spec: serviceSpec(spec),
        status: { loadBalancer: {}, ...(object['status'] as JsonObject | undefined) },
      };
    case 'Namespace':
      return {
        ...object,
        metadata: {
          ...object.metadata,
          labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name },
        },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: object.metadata.deletionTimestamp === undefined ? 'Active' : 'Terminating' },
      };
    case 'Secret':
      return secret(object);
    case 'Event':
      return {
        eventTime: null,
        firstTimestamp: null,
        lastTimestamp: null,
        source: {},
        reportingComponent: '',
        reportingInstance: '',
        ...object,
      };
    default:
      return object;
  }
}

function podSpec(spec: JsonObject): JsonObject {
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
    enableServiceLinks: true,
    ...spec,
    ...(spec['containers'] === undefined ? {} : { containers: list(spec['containers']).map(container) }),
    ...(spec['initContainers'] === undefined ? {} : { initContainers: list(spec['initContainers']).map(container) }),
  };
}

function container(value: JsonObject): JsonObject {
  const image = typeof value['image'] === 'string' ? value['image'] : '';
  const latest = !image.includes('@') && (!/:[^/]*$/.test(image) || image.endsWith(':latest'));
  return {
    imagePullPolicy: latest ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
    ...value,
    ...(value['ports'] === undefined
      ? {}
      : { ports: list(value['ports']).map((port) => ({ protocol: 'TCP', ...port })) }),
  };
}

function serviceSpec(spec: JsonObject): JsonObject {
  const ports = list(spec['ports']).map((port) => ({
    protocol: 'TCP',
    ...(port['port'] === undefined ? {} : { targetPort: port['port'] }),
    ...port,
  }));
  return {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ...spec,
    ...(spec['clusterIP'] === 'None' ? { clusterIPs: ['None'] } : {}),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

/** stringData is for writing only: it is merged into data, in base64. */
function secret(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object;
  if (!isObject(stringData)) return { type: 'Opaque', ...rest };
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64'),
  ]);
  const data = { ...(rest['data'] as JsonObject | undefined), ...Object.fromEntries(encoded) };
  return { type: 'Opaque', ...rest, data };
}

/** What the server itself refuses in a core kind; only what would mislead if it were let through. */
export function coreCauses(object: KubeObject, old?: KubeObject): StatusCause[] {
  const spec = isObject(object['spec']) ? object['spec'] : {};
  const required = (field: string): StatusCause => ({ reason: 'FieldValueRequired', message: 'Required value', field });
  switch (object.kind) {
    case 'Pod': {
      const containers = list(spec['containers']);
      if (containers.length === 0) return [required('spec.containers')];
      const nameless = containers.flatMap((c, index) =>
        c['name'] === undefined ? [required(`spec.containers[${index}].name`)] : [],
      );
      return old === undefined ? nameless : [...nameless, ...podChangeCauses(object, old)];
    }
    case 'Event': {
      const involved = isObject(object['involvedObject']) ? object['involvedObject'] : {};
      const namespace = involved['namespace'] ?? 'default';
      if (namespace === object.metadata.namespace) return [];
      const message = `Invalid value: ${JSON.stringify(namespace)}: does not match event.namespace`;
      return [{ reason: 'FieldValueInvalid', message, field: 'involvedObject.namespace' }];
    }
    default:
      return [];
  }
}
