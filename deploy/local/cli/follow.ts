import { setTimeout as sleep } from 'node:timers/promises';
import { resource, type TrainingJob } from '@hayate/crds/trainingjob.ts';
import { telemetryPort, type WorkerReport, workerReport } from '@hayate/crds/worker-config.ts';
import type { KubeClient } from '@hayate/operator/kube/client.ts';
import { systemClock } from '@hayate/operator/kube/clock.ts';
import { type Pod, podResource } from '@hayate/operator/kube/core.ts';
import { Reflector } from '@hayate/operator/kube/reflector.ts';
import {
  type Happening,
  hopelessFailure,
  initialState,
  isOver,
  type JobState,
  observeJob,
  observeReport,
} from './job-state.ts';

/** A job that is being watched; `gone`: somebody deleted it. */
export interface FollowedJob {
  job: TrainingJob;
  state: JobState;
  gone: boolean;
}

export interface FollowOptions {
  client: KubeClient;
  /** As the API returned them at creation. */
  jobs: readonly TrainingJob[];
  signal: AbortSignal;
  now: () => number;
  random: () => number;
  onHappening(happening: Happening, state: JobState): void;
  /** Called once for each job, when it has succeeded, failed, been deleted or cannot run on this machine. */
  onEnd(followed: FollowedJob): void;
  /** Called a few times a second. */
  onTick(states: readonly JobState[]): void;
}

const pollMs = 500;

/** Watches jobs, and their rank 0 directly for fresh figures, until all are over or `signal` aborts. */
export async function followJobs(options: FollowOptions): Promise<FollowedJob[]> {
  const followed = options.jobs.map((job) => ({ job, state: initialState(job), gone: false }));
  const changed = new AbortController();
  const reflector = new Reflector<TrainingJob>({
    client: options.client,
    resource,
    namespace: undefined,
    clock: systemClock,
    random: options.random,
    // It tries again by itself; should the API stay away, the jobs' state says enough.
    onError: () => {},
  });
  reflector.onChange((change) => {
    const mine = followed.find(({ job }) => job.metadata.uid === change.object.metadata.uid);
    if (mine === undefined || hasEnded(mine)) return;
    mine.job = change.object;
    mine.gone = change.kind === 'delete';
    take(mine, observeJob(mine.state, change.object), options);
    if (hasEnded(mine)) options.onEnd(mine);
    if (followed.every(hasEnded)) changed.abort();
  });
  reflector.start();
  try {
    const stop = AbortSignal.any([options.signal, changed.signal]);
    const addresses = new Map<string, string>();
    while (!stop.aborted) {
      await Promise.all(followed.filter(isTraining).map((mine) => askRankZero(mine, addresses, options)));
      options.onTick(followed.map(({ state }) => state));
      await sleep(pollMs, undefined, { signal: stop }).catch(() => {});
    }
    return followed;
  } finally {
    await reflector.close();
  }
}

function take(mine: FollowedJob, seen: { state: JobState; happenings: Happening[] }, options: FollowOptions): void {
  mine.state = seen.state;
  for (const happening of seen.happenings) options.onHappening(happening, seen.state);
}

function hasEnded({ state, gone }: FollowedJob): boolean {
  return gone || isOver(state.phase) || hopelessFailure(state) !== undefined;
}

function isTraining(mine: FollowedJob): boolean {
  return !hasEnded(mine) && (mine.state.phase === 'Running' || mine.state.phase === 'Starting');
}

async function askRankZero(mine: FollowedJob, addresses: Map<string, string>, options: FollowOptions): Promise<void> {
  const { namespace, name, uid } = mine.job.metadata;
  const pod = `${name}-w0-a${mine.state.attempt}`;
  const known = addresses.get(`${namespace}/${pod}`) ?? (await addressOf(options.client, namespace, pod));
  if (known === undefined) return;
  addresses.set(`${namespace}/${pod}`, known);
  const report = await readStatus(known);
  if (report !== undefined && !hasEnded(mine))
    take(mine, observeReport(mine.state, uid, report, options.now()), options);
}

async function addressOf(client: KubeClient, namespace: string, name: string): Promise<string | undefined> {
  try {
    const pod = await client.get<Pod>(podResource, namespace, name);
    return pod.status?.phase === 'Running' ? pod.status.podIP : undefined;
  } catch {
    return undefined;
  }
}

/** A worker that starts or ends does not answer; the next turn asks again. */
async function readStatus(address: string): Promise<WorkerReport | undefined> {
  try {
    const answer = await fetch(`http://${address}:${telemetryPort}/status`, { signal: AbortSignal.timeout(2000) });
    return workerReport.parse(await answer.json());
  } catch {
    return undefined;
  }
}
