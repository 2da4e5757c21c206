import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { resource, type TrainingJob } from '@hayate/crds/trainingjob.ts';
import { isAlreadyExists } from '@hayate/operator/kube/errors.ts';
import { type Cluster, startCluster } from '../cluster.ts';
import { type FollowedJob, followJobs } from './follow.ts';
import { count } from './format.ts';
import { refuseMissingGpus } from './gpus.ts';
import { hopelessFailure, isOver, lastCause } from './job-state.ts';
import { endOfLog, readReports } from './leavings.ts';
import type { Manifest } from './manifest.ts';
import { jsonOutput, type Output, peopleOutput, type Terminal } from './output.ts';
import type { JobResult } from './report.ts';
import { fileLog, freshRun } from './run-directory.ts';

export interface TrainRequest {
  kind: 'start' | 'run';
  jobs: readonly Manifest[];
  /** Runs are made in `<directory>/runs`. */
  directory: string;
  json: boolean;
  /** Leave the cluster up after the end. */
  keep: boolean;
}

/** How long workers may take to end: politely at the end of a run, quickly when a person waits at Ctrl-C. */
const graceMs = { finished: 3000, interrupted: 1500 };
const tailLines = 12;

/**
 * Brings a cluster up, trains the jobs, reports and takes everything down.
 * @param gpus of this machine, by their names for CUDA_VISIBLE_DEVICES
 * @returns the exit status: 0 all succeeded, 1 not all, 130 interrupted. Throws CommandProblem where GPUs are missing
 */
export async function train(
  request: TrainRequest,
  terminal: Terminal,
  signal: AbortSignal,
  gpus: readonly string[],
): Promise<number> {
  refuseMissingGpus(request.jobs, gpus);
  const output = request.json ? jsonOutput(terminal) : peopleOutput(terminal);
  const run = freshRun(request.directory, request.kind, terminal.now(), terminal.pid);
  let cluster: Cluster | undefined;
  try {
    const log = fileLog(join(run.path, 'cluster.log'));
    cluster = await startCluster({ directory: run.path, gpus, log, signal });
    output.cluster(cluster);
    const results = await trainOn(cluster, request, output, terminal, signal);
    if (request.keep && !signal.aborted) {
      output.notice(`the cluster stays up until Ctrl-C: export KUBECONFIG=${cluster.kubeconfigPath}`);
      await aborted(signal);
      return exitStatus(results);
    }
    return signal.aborted ? 130 : exitStatus(results);
  } finally {
    const interrupted = signal.aborted && !request.keep;
    if (interrupted) output.notice('stopping the workers …');
    await cluster?.close(interrupted ? graceMs.interrupted : graceMs.finished);
    run.release();
    if (cluster !== undefined || interrupted) output.end(run.path, interrupted);
  }
}

async function trainOn(
  cluster: Cluster,
  { jobs }: TrainRequest,
  output: Output,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<JobResult[]> {
  const startedMs = terminal.now();
  const results: JobResult[] = [];
  const finish = (followed: FollowedJob) => {
    const result = resultOf(followed, cluster.directory, (terminal.now() - startedMs) / 1000);
    results.push(result);
    output.finished(result, failureTail(result, cluster.directory));
  };
  const created: TrainingJob[] = [];
  for (const manifest of jobs) created.push(await apply(cluster, manifest));
  await followJobs({
    client: cluster.client,
    jobs: created,
    signal,
    now: () => terminal.now(),
    random: () => terminal.random(),
    onHappening: (happening, state) => output.happening(happening, state),
    onTick: (states) => output.tick(states),
    onEnd: finish,
  });
  return results;
}

async function apply(cluster: Cluster, manifest: Manifest): Promise<TrainingJob> {
  const { namespace, object } = manifest;
  if (namespace !== 'default') {
    const made = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await cluster.client.create({ group: '', version: 'v1', plural: 'namespaces' }, made).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
  return cluster.client.create<TrainingJob>(resource, { ...object, metadata: { ...object.metadata, namespace } });
}

function resultOf({ job, state, gone }: FollowedJob, directory: string, seconds: number): JobResult {
  const { namespace, name } = job.metadata;
  const failed = job.status?.conditions?.find((c) => c.type === 'Failed' && c.status === 'True');
  const hopeless = hopelessFailure(state);
  const message = gone ? 'somebody deleted the job' : (failed?.message ?? hopeless?.message ?? '');
  const ended = isOver(state.phase) ? state : { ...state, phase: 'Failed' as const };
  return { state: ended, seconds, message, ranks: readReports(directory, namespace, name) };
}

/** What the worker that failed first said at its end. */
function failureTail({ state }: JobResult, directory: string): string[] {
  const pod = state.phase === 'Failed' ? lastCause(state.failures)?.pod : undefined;
  const log = pod === undefined ? undefined : endOfLog(directory, state.namespace, pod, tailLines);
  if (log === undefined || log.lines.length === 0) return [];
  return [
    '',
    `The last ${count(log.lines.length, 'line')} of ${pod} (${log.path}):`,
    ...log.lines.map((l) => `  ${l}`),
  ];
}

function exitStatus(results: readonly JobResult[]): number {
  return results.every(({ state }) => state.phase === 'Succeeded') ? 0 : 1;
}

async function aborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(2 ** 30, undefined, { signal }).catch(() => {});
}
