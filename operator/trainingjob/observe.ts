import {
  apiVersion,
  type Progress,
  resource,
  type TrainingJobStatus,
  trainingJobStatus,
} from '@hayate/crds/trainingjob.ts';
import { validateTrainingJob } from '@hayate/crds/validate.ts';
import type { WorkerReport } from '@hayate/crds/worker-config.ts';
import type { Pod, Service } from '../kube/core.ts';
import { controllerOf, type KubeObject } from '../kube/object.ts';
import type { Cache } from '../kube/store.ts';
import type { Job } from './desired/labels.ts';
import { attemptOf } from './restart.ts';

/** A TrainingJob as it is stored, which may be by an older or a newer release: nothing in it is believed unread. */
export interface StoredJob extends KubeObject {
  spec?: unknown;
  status?: unknown;
}

/** What rank 0 reported last, in the words of the status. */
interface Reported {
  attempt: number;
  progress: Omit<Progress, 'time'>;
  checkpoint?: NonNullable<TrainingJobStatus['checkpoint']>;
}

/** Everything that a plan is made of. */
export interface Observed {
  stored: StoredJob;
  identity: { name: string; namespace: string; uid: string; generation: number };
  deleting: boolean;
  /** Undefined when the stored spec is invalid; `problems` says how. */
  job: Job | undefined;
  problems: string[];
  status: TrainingJobStatus;
  /** What the status is compared with before it is written: as stored, less fields that this release does not know. */
  written: object;
  /** Pods controlled by this very job (by uid), of every attempt. */
  pods: Pod[];
  service: Service | undefined;
  report: Reported | undefined;
  nowMs: number;
}

export interface Caches {
  jobs: Cache<StoredJob>;
  /** Indexed by the key of the controlling job. */
  pods: Cache<Pod>;
  services: Cache<Service>;
}

/** Reads the caches; undefined when the job is gone. */
export function observe(
  key: string,
  caches: Caches,
  report: WorkerReport | undefined,
  nowMs: number,
): Observed | undefined {
  const stored = caches.jobs.get(key);
  if (stored === undefined) return undefined;
  const { name, namespace = '', uid = '', generation = 0, deletionTimestamp } = stored.metadata;
  const identity = { name, namespace, uid, generation };
  const mine = (object: KubeObject) => controllerOf(object)?.uid === uid;
  // By name, so that one world always gives one plan.
  const pods = caches.pods
    .indexed(key)
    .filter(mine)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const service = caches.services.get(key);
  const written = trainingJobStatus.safeParse(stored.status ?? {});
  const manifest = { apiVersion, kind: resource.kind, metadata: { name, namespace }, spec: stored.spec };
  const checked = validateTrainingJob(manifest);
  return {
    stored,
    identity,
    deleting: deletionTimestamp !== undefined,
    job: checked.ok ? { ...identity, spec: checked.job.spec } : undefined,
    problems: checked.ok ? [] : checked.problems.map((problem) => problem.message),
    status: readStatus(written.data, pods),
    written: written.data ?? (stored.status as object),
    pods,
    service: service !== undefined && mine(service) ? service : undefined,
    report: report?.job.uid === uid ? reported(report) : undefined,
    nowMs,
  };
}

/** A status is a hint: one that cannot be read starts anew, but the attempt never falls below what pods carry. */
function readStatus(status: TrainingJobStatus = {}, pods: readonly Pod[] = []): TrainingJobStatus {
  const newest = Math.max(0, ...pods.map(attemptOf));
  return newest > (status.attempt ?? 0) ? { ...status, attempt: newest } : status;
}

function reported(report: WorkerReport): Reported {
  const { job, step, totalSteps, engine, weightsDigest, memory, checkpoint } = report;
  const numbers = {
    loss: report.loss,
    accuracy: report.accuracy,
    samplesPerSecond: report.samplesPerSecond,
    stepSeconds: report.stepSeconds,
    exposedCommunicationSeconds: report.exposedCommunicationSeconds,
  };
  const decimals = Object.entries(numbers).flatMap(([name, n]) => (n === undefined ? [] : [[name, decimal(n)]]));
  return {
    attempt: job.attempt,
    progress: {
      step,
      totalSteps,
      ...Object.fromEntries(decimals),
      ...(memory === undefined ? {} : { memory: peaksOf(memory) }),
      engine: engine.slice(0, 64),
      ...(weightsDigest === undefined ? {} : { weightsDigest: weightsDigest.slice(0, 128) }),
    },
    ...(checkpoint !== undefined && trainingJobStatus.shape.checkpoint.safeParse(checkpoint).success
      ? { checkpoint }
      : {}),
  };
}

function peaksOf({ predictedBytes, measuredBytes, deviceBytes }: NonNullable<WorkerReport['memory']>) {
  return {
    predicted: decimal(predictedBytes, 15),
    measured: decimal(measuredBytes, 15),
    ...(deviceBytes === undefined ? {} : { device: decimal(deviceBytes, 15) }),
  };
}

/** Statuses hold decimal numbers as text. */
function decimal(value: number, digits = 6): string {
  return String(Number(value.toPrecision(digits)));
}
