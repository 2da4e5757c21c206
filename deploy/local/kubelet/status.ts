import type { Pod } from './pod.ts';
import type { ProcessState } from './sync.ts';

/** Address of the only node, as the pods see it. */
export const hostAddress = '127.0.0.1';

/** What a kubelet writes into a pod's status subresource. */
export interface PodStatus {
  phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  conditions: PodCondition[];
  /** Absent while the pod is on no node. */
  hostIP?: string;
  podIP?: string;
  podIPs?: { ip: string }[];
  startTime?: string;
  qosClass: 'BestEffort';
  containerStatuses: ContainerStatus[];
}

export interface PodCondition {
  type: 'PodScheduled' | 'Initialized' | 'ContainersReady' | 'Ready';
  status: 'True' | 'False';
  reason?: string;
  message?: string;
  lastTransitionTime: string;
}

export interface ContainerStatus {
  name: string;
  image: string;
  imageID: string;
  ready: boolean;
  started: boolean;
  restartCount: 0;
  containerID?: string;
  state: ContainerState;
  lastState: Record<string, never>;
}

export type ContainerState =
  | { waiting: { reason: string; message?: string } }
  | { running: { startedAt: string } }
  | {
      terminated: {
        exitCode: number;
        reason: string;
        message?: string;
        startedAt: string;
        finishedAt: string;
      };
    };

/**
 * Status of a pod from the state of its process: only the first container is run and reported.
 * Conditions of `previous` that still hold keep their lastTransitionTime.
 */
export function podStatus(pod: Pod, process: ProcessState, previous: PodStatus | undefined, nowMs: number): PodStatus {
  const now = timestamp(nowMs);
  const container = pod.spec.containers[0];
  const ready = process.kind === 'running' && process.ready && process.stopping === undefined;
  const notReady = process.kind === 'ended' && process.exitCode === 0 ? 'PodCompleted' : 'ContainersNotReady';
  const condition = (type: PodCondition['type'], holds: boolean): PodCondition => {
    const status = holds ? 'True' : 'False';
    const old = previous?.conditions.find((c) => c.type === type && c.status === status);
    const reason = holds ? {} : { reason: notReady };
    return { type, status, ...reason, lastTransitionTime: old?.lastTransitionTime ?? now };
  };
  const ip = process.kind === 'none' ? undefined : process.ip;
  return {
    phase: phaseOf(process),
    conditions: [
      condition('PodScheduled', true),
      condition('Initialized', true),
      condition('ContainersReady', ready),
      condition('Ready', ready),
    ],
    hostIP: hostAddress,
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    startTime: process.kind === 'none' ? now : timestamp(process.startedMs),
    qosClass: 'BestEffort',
    containerStatuses: [
      {
        name: container?.name ?? 'worker',
        image: container?.image ?? '',
        imageID: '',
        ready,
        started: process.kind === 'running',
        restartCount: 0,
        ...(process.kind === 'running' ? { containerID: `process://${process.pid}` } : {}),
        state: containerState(process),
        lastState: {},
      },
    ],
  };
}

/** Status of a pod that no node has room for; `message` says what is missing. */
export function unscheduledStatus(message: string, previous: PodStatus | undefined, nowMs: number): PodStatus {
  const old = previous?.conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  const lastTransitionTime = old?.lastTransitionTime ?? timestamp(nowMs);
  return {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime }],
    qosClass: 'BestEffort',
    containerStatuses: [],
  };
}

function phaseOf(process: ProcessState): PodStatus['phase'] {
  if (process.kind === 'none') return 'Pending';
  if (process.kind === 'running') return 'Running';
  return process.exitCode === 0 ? 'Succeeded' : 'Failed';
}

function containerState(process: ProcessState): ContainerState {
  switch (process.kind) {
    case 'none':
      return { waiting: { reason: 'ContainerCreating' } };
    case 'running':
      return { running: { startedAt: timestamp(process.startedMs) } };
    case 'ended':
      return {
        terminated: {
          exitCode: process.exitCode,
          reason: process.reason,
          ...(process.message === '' ? {} : { message: process.message }),
          startedAt: timestamp(process.startedMs),
          finishedAt: timestamp(process.finishedMs),
        },
      };
    default:
      return assertNever(process);
  }
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
