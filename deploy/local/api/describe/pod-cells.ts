import type { KubeObject } from '../object.ts';
import { ageSince } from './ages.ts';

interface Terminated {
  reason?: string;
  exitCode?: number;
  signal?: number;
  finishedAt?: string;
}

interface ContainerStatus {
  ready?: boolean;
  restartCount?: number;
  state?: { waiting?: { reason?: string }; running?: object; terminated?: Terminated };
  lastState?: { terminated?: Terminated };
}

interface Pod {
  spec?: { containers?: unknown[] };
  status?: {
    phase?: string;
    reason?: string;
    podIP?: string;
    conditions?: { type?: string; status?: string }[];
    containerStatuses?: ContainerStatus[];
  };
}

const read = (object: KubeObject): Pod => object as Pod;
const statuses = (object: KubeObject): ContainerStatus[] => read(object).status?.containerStatuses ?? [];

/** `1/2`: containers that are ready, of all. */
export function podReady(object: KubeObject): string {
  const ready = statuses(object).filter((c) => c.ready === true && c.state?.running !== undefined).length;
  return `${ready}/${read(object).spec?.containers?.length ?? 0}`;
}

/**
 * What a pod is doing, in a word: its phase or reason, unless a container says more, unless it is being deleted.
 * Source: printPod of the Kubernetes printers.
 */
export function podStatus(object: KubeObject): string {
  const { status } = read(object);
  const phase = status?.phase ?? 'Unknown';
  let text = nonEmpty(status?.reason) ?? phase;
  let running = false;
  for (const container of statuses(object).toReversed()) {
    text = containerReason(container) ?? text;
    running ||= container.ready === true && container.state?.running !== undefined;
  }
  if (text === 'Completed' && running) {
    const ready = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
    text = ready ? 'Running' : 'NotReady';
  }
  const over = phase === 'Succeeded' || phase === 'Failed';
  return object.metadata.deletionTimestamp !== undefined && !over ? 'Terminating' : text;
}

function containerReason({ state }: ContainerStatus): string | undefined {
  const waiting = nonEmpty(state?.waiting?.reason);
  if (waiting !== undefined) return waiting;
  const ended = state?.terminated;
  if (ended === undefined) return undefined;
  const signal = ended.signal ?? 0;
  return nonEmpty(ended.reason) ?? (signal === 0 ? `ExitCode:${ended.exitCode ?? 0}` : `Signal:${signal}`);
}

/** Restarts of all containers, and how long ago the last one ended. */
export function podRestarts(object: KubeObject, now: Date): string {
  const count = statuses(object).reduce((sum, container) => sum + (container.restartCount ?? 0), 0);
  const ends = statuses(object).flatMap((container) => container.lastState?.terminated?.finishedAt ?? []);
  const last = ends.toSorted().at(-1);
  return count === 0 || last === undefined ? String(count) : `${count} (${ageSince(last, now)} ago)`;
}

export function podIp(object: KubeObject): string {
  return nonEmpty(read(object).status?.podIP) ?? '<none>';
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
