import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { labels } from '@hayate/crds/worker-config.ts';
import { expand, podEnvironment } from './environment.ts';
import { diskProblem, LogWriter, logText } from './logs.ts';
import { type Container, type Pod, podKey } from './pod.ts';
import { type Ended, type RunningChild, startProcess } from './process.ts';

/** Where a kubelet keeps what its pods leave. */
export interface RunDirectory {
  hostsFile: string;
  logs: string;
  pods: string;
  pids: string;
  work: string;
}

export function runDirectory(root: string): RunDirectory {
  return {
    hostsFile: join(root, 'hosts.json'),
    logs: join(root, 'logs'),
    pods: join(root, 'pods'),
    pids: join(root, 'pids'),
    work: join(root, 'work'),
  };
}

/** What differs between kubelets but not between pods. */
export interface PodHost {
  directory: RunDirectory;
  nodeName: string;
  /** GPUs that pods may have, by their names for CUDA_VISIBLE_DEVICES. */
  gpus: readonly string[];
  /** Run for a container without a command: file, then arguments. */
  defaultCommand: readonly [string, ...string[]];
  environment: NodeJS.ProcessEnv;
  nodePath: string;
  now: () => number;
  onProblem: (sentence: string) => void;
}

/** Longest termination message a kubelet keeps, in bytes. */
const messageBytes = 4096;
/** Of the log's end, when it stands in for a missing message. */
const fallbackLines = 80;
const fallbackCharacters = 2048;

export function logPath(directory: RunDirectory, pod: Pod): string {
  return join(directory.logs, `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}.log`);
}

/** The working directory that all attempts of a job share: `<work>/<namespace>/<job or pod>`. */
export function workDirectory(directory: RunDirectory, pod: Pod): string {
  return join(directory.work, pod.metadata.namespace, pod.metadata.labels?.[labels.job] ?? pod.metadata.name);
}

/** Uid of what a working directory belongs to: the job, or a pod that nobody owns. */
export function ownerOf(pod: Pod): string {
  return pod.metadata.ownerReferences?.find((o) => o.controller === true)?.uid ?? pod.metadata.uid;
}

/** Moves what another owner of the same name left out of the way: `<path>` becomes `<path>.1`, `.2`, … */
export function moveAside(path: string): void {
  if (!existsSync(path)) return;
  for (let number = 1; ; number++) {
    const aside = `${path}.${number}`;
    if (existsSync(aside)) continue;
    renameSync(path, aside);
    return;
  }
}

/** Starts the first container of a pod on `ip` with GPUs of its own. Whatever is wrong comes back as an ended process with a sentence. */
export async function startPod(
  pod: Pod,
  ip: string,
  gpus: readonly string[],
  host: PodHost,
): Promise<RunningChild | Ended> {
  const container = pod.spec.containers[0];
  if (container === undefined) return startError('the pod has no container');
  const facts = {
    ip,
    nodeName: host.nodeName,
    hostsFile: host.directory.hostsFile,
    terminationLog: terminationLog(host.directory, pod),
    gpus,
  };
  const { env, problems } = podEnvironment(pod, container, facts, host.environment, host.nodePath);
  if (problems.length > 0) return startError(problems.join('; '));
  const cwd = workDirectory(host.directory, pod);
  try {
    for (const path of [cwd, host.directory.logs, join(host.directory.pods, pod.metadata.uid)]) {
      mkdirSync(path, { recursive: true });
    }
  } catch (error) {
    return startError(diskProblem((error as NodeJS.ErrnoException).path ?? cwd, error as NodeJS.ErrnoException));
  }
  const [file, args] = commandOf(container, env, host.defaultCommand);
  const log = new LogWriter(logPath(host.directory, pod), host.now, (sentence) => {
    host.onProblem(`log of pod ${podKey(pod)}: ${sentence}`);
  });
  return startProcess({ file, args, cwd, env }, log);
}

/** The image has no say here: a container without a command runs `defaultCommand` with its own args. */
function commandOf(
  container: Container,
  env: Record<string, string>,
  defaultCommand: readonly [string, ...string[]],
): [string, string[]] {
  const [file, ...rest] = container.command?.length ? container.command : defaultCommand;
  return [expand(file ?? '', env), [...rest, ...(container.args ?? [])].map((argument) => expand(argument, env))];
}

/** How a pod ends that could not be started: the sentence says what to do about it. */
export function startError(problem: string): Ended {
  return { exitCode: 128, reason: 'StartError', problem };
}

function terminationLog(directory: RunDirectory, pod: Pod): string {
  return join(directory.pods, pod.metadata.uid, 'termination-log');
}

/** What an ended process says about its end: its termination log, or the end of its output if it asks for that. */
export function terminationMessage(directory: RunDirectory, pod: Pod, ended: Ended): string {
  if (ended.problem !== '') return ended.problem;
  const message = contentOf(terminationLog(directory, pod)).subarray(0, messageBytes).toString('utf8');
  const fallback = pod.spec.containers[0]?.terminationMessagePolicy === 'FallbackToLogsOnError';
  if (message !== '' || ended.exitCode === 0 || !fallback) return message;
  const lines = contentOf(logPath(directory, pod)).toString('utf8').split('\n');
  return lines.slice(-fallbackLines).map(logText).join('\n').slice(-fallbackCharacters).trim();
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Removes what only a living pod needs; its log stays. */
export function removePodDirectory(directory: RunDirectory, pod: Pod): void {
  rmSync(join(directory.pods, pod.metadata.uid), { recursive: true, force: true });
}
