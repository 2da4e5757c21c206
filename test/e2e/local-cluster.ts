import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiVersion, resource, type TrainingJob } from '@hayate/crds/trainingjob.ts';
import { readReports } from '@hayate/local/cli/leavings.ts';
import { type Cluster, startCluster } from '@hayate/local/cluster.ts';
import type { KubeObject, Resource } from '@hayate/operator/kube/object.ts';
import pino from 'pino';

export const jobs: Resource = { group: resource.group, version: resource.version, plural: resource.plural };

/** A cluster of its own in a fresh directory, with GPUs of these names; `remove` also removes the directory. */
export async function freshCluster(gpus: readonly string[] = []): Promise<Cluster & { remove(): Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hayate-e2e-'));
  const log = pino(pino.destination(path.join(directory, 'cluster.log')));
  const cluster = await startCluster({ directory, gpus, log });
  return Object.assign(cluster, {
    remove: async () => {
      await cluster.close();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

/** Ids of live processes whose working directory lies below the run's directory: the workers of a cluster. */
export function workerPids(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => workingDirectory(pid)?.startsWith(path.join(directory, 'work')));
}

/** Rank of a worker process, from the configuration in its environment. */
export function rankOf(pid: number): number | undefined {
  try {
    const match = /"rank":([0-9]+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'));
    return match?.[1] === undefined ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** A small job on real digits; `spec` fields replace the defaults. */
export function mnistJob(name: string, spec: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion,
    kind: resource.kind,
    metadata: { name, namespace: 'default' },
    spec: {
      workers: { replicas: 4 },
      training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 120 },
      checkpoint: { everySteps: 5 },
      failurePolicy: { maxRestarts: 40, backoff: { initialSeconds: 0.1, factor: 1, maxSeconds: 0.1 } },
      ...spec,
    },
  } as unknown as KubeObject;
}

export async function createJob(cluster: Cluster, job: KubeObject): Promise<void> {
  await cluster.client.create(jobs, job);
}

export async function jobOf(cluster: Cluster, name: string): Promise<TrainingJob> {
  return (await cluster.client.get(jobs, 'default', name)) as unknown as TrainingJob;
}

/** Looks at the job until `condition` holds; the error of a time-out shows the job's last status. */
export async function waitForJob(
  cluster: Cluster,
  name: string,
  condition: (job: TrainingJob) => boolean,
  timeoutMs: number,
): Promise<TrainingJob> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const job = await jobOf(cluster, name);
    if (condition(job)) return job;
    if (Date.now() > deadline) throw new Error(`${name}: not in ${timeoutMs} ms; status ${JSON.stringify(job.status)}`);
    await sleep(50);
  }
}

export const isOver = (job: TrainingJob) => job.status?.phase === 'Succeeded' || job.status?.phase === 'Failed';

/** Digest of the weights that every rank reported at its end, by rank. */
export function digests(cluster: Cluster, name: string): string[] {
  return readReports(cluster.directory, 'default', name).map((report) => report.weightsDigest);
}
