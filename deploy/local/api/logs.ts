import { badRequest, StatusError } from './errors.ts';
import { isObject, type JsonObject, type KubeObject } from './object.ts';
import { truth, wholeNumber } from './request.ts';

/** Which part of a container's log is wanted. */
export interface LogOptions {
  container: string;
  /** Go on until the container ends or the reader leaves. */
  follow: boolean;
  /** The log of the container's previous run. */
  previous: boolean;
  /** Each line begins with its time. */
  timestamps: boolean;
  /** Only this many lines from the end. */
  tailLines?: number;
  /** Only lines from this time on, in milliseconds since 1970. */
  sinceMs?: number;
  /** At most this many bytes. */
  limitBytes?: number;
  /** Aborts when the reader has gone. */
  signal: AbortSignal;
}

/** Whoever runs the pods and keeps their logs. */
export interface LogSource {
  /** The log as bytes; an error thrown or rejected with reaches the reader as its message. */
  open(
    pod: { namespace: string; name: string; uid: string },
    options: LogOptions,
  ): AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
}

/** Options of a log request; the container is chosen, and refused with 400 if there is no log of it. */
export function logOptions(pod: KubeObject, query: URLSearchParams, now: Date, signal: AbortSignal): LogOptions {
  const container = chosenContainer(pod, query.get('container') ?? '');
  const tailLines = wholeNumber(query, 'tailLines');
  const sinceSeconds = wholeNumber(query, 'sinceSeconds', 1);
  const sinceTime = query.get('sinceTime');
  const sinceMs =
    sinceTime !== null
      ? Date.parse(sinceTime)
      : sinceSeconds === undefined
        ? undefined
        : now.getTime() - sinceSeconds * 1000;
  if (sinceMs !== undefined && Number.isNaN(sinceMs)) throw badRequest(`sinceTime is not a time: ${sinceTime}`);
  const limitBytes = wholeNumber(query, 'limitBytes', 1);
  const previous = truth(query, 'previous');
  refuseWithoutLog(pod, container, previous);
  return {
    container,
    follow: truth(query, 'follow'),
    previous,
    timestamps: truth(query, 'timestamps'),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    signal,
  };
}

function namesOf(pod: KubeObject, list: 'containers' | 'initContainers'): string[] {
  const spec = isObject(pod['spec']) ? pod['spec'] : {};
  const containers = spec[list];
  return Array.isArray(containers)
    ? containers.filter(isObject).map((c) => (typeof c['name'] === 'string' ? c['name'] : ''))
    : [];
}

function chosenContainer(pod: KubeObject, asked: string): string {
  const { name } = pod.metadata;
  const all = namesOf(pod, 'containers');
  if (asked !== '') {
    if (all.includes(asked) || namesOf(pod, 'initContainers').includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  if (all.length > 1) {
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`);
  }
  return all[0] ?? '';
}

function refuseWithoutLog(pod: KubeObject, container: string, previous: boolean): void {
  const { name } = pod.metadata;
  const state = statusOf(pod, container);
  const lastState = isObject(state?.['lastState']) ? state['lastState'] : {};
  if (previous && lastState['terminated'] === undefined) {
    throw badRequest(`previous terminated container "${container}" in pod "${name}" not found`);
  }
  if (previous) return;
  const current = isObject(state?.['state']) ? state['state'] : {};
  if (current['running'] !== undefined || current['terminated'] !== undefined || lastState['terminated'] !== undefined)
    return;
  const waiting = isObject(current['waiting']) ? current['waiting']['reason'] : undefined;
  const why = typeof waiting === 'string' ? waiting : 'ContainerCreating';
  throw badRequest(`container "${container}" in pod "${name}" is waiting to start: ${why}`);
}

function statusOf(pod: KubeObject, container: string): JsonObject | undefined {
  const status = isObject(pod['status']) ? pod['status'] : {};
  const lists = [status['containerStatuses'], status['initContainerStatuses']];
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .filter(isObject)
    .find((entry) => entry['name'] === container);
}

/** Opens the log. Throws what the source refuses as 400, and 503 while nobody runs the pods. */
export async function openLog(
  source: LogSource | undefined,
  pod: KubeObject,
  options: LogOptions,
): Promise<AsyncIterable<Uint8Array>> {
  if (source === undefined) {
    throw new StatusError(503, 'ServiceUnavailable', 'no kubelet runs beside this API server, so there are no logs');
  }
  const { namespace = '', name, uid = '' } = pod.metadata;
  try {
    return await source.open({ namespace, name, uid }, options);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw badRequest(error instanceof Error ? error.message : String(error));
  }
}
