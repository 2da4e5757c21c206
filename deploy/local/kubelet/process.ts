import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { LogWriter } from './logs.ts';

/** What to run for a pod: nothing of it is interpreted by a shell. */
export interface Command {
  file: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
}

export interface Ended {
  /** 128 + signal for a process that a signal ended, as a container runtime reports it. */
  exitCode: number;
  reason: 'Completed' | 'Error' | 'StartError';
  /** Why it could not be started; empty for a process that ran. */
  problem: string;
}

export interface RunningChild {
  pid: number;
  /** Sends a signal to the process and everything it started. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  /** After the process and its whole group are gone and its output is written. */
  ended: Promise<Ended>;
}

/** How long output of an ended process may still arrive. */
const drainMs = 1000;

/**
 * Starts a command in a process group of its own. Its standard input is a pipe that stays open as long as this
 * process lives: a child that reads it sees the end when its kubelet is gone.
 */
export async function startProcess(command: Command, log: LogWriter): Promise<RunningChild | Ended> {
  let child: ChildProcess;
  try {
    child = spawn(command.file, command.args, {
      cwd: command.cwd,
      env: command.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid === undefined) await once(child, 'spawn');
  } catch (error) {
    return { exitCode: 128, reason: 'StartError', problem: startProblem(command.file, error) };
  }
  child.stdin?.on('error', () => {});
  for (const stream of ['stdout', 'stderr'] as const) {
    const output = child[stream];
    output?.on('data', (chunk: Buffer) => {
      if (log.write(stream, chunk)) return;
      output.pause();
      void log.drained().then(() => output.resume());
    });
  }
  const pid = child.pid ?? 0;
  return { pid, signal: (name) => signalGroup(pid, name), ended: whenEnded(child, pid, log) };
}

async function whenEnded(child: ChildProcess, pid: number, log: LogWriter): Promise<Ended> {
  const closed = once(child, 'close').catch(() => {});
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  // The first process of a container takes the rest with it.
  signalGroup(pid, 'SIGKILL');
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainMs);
  });
  await Promise.race([closed, patience]);
  clearTimeout(timer);
  child.stdout?.destroy();
  child.stderr?.destroy();
  await log.close();
  const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  return { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', problem: '' };
}

/** Signals a process group; one that is gone already is fine. */
export function signalGroup(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid <= 1) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function startProblem(file: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return `command "${file}" was not found on this machine; correct command of the first container`;
    case 'EACCES':
      return `command "${file}" is not executable; correct command of the first container`;
    case 'EAGAIN':
      return `command "${file}" could not be started: this machine has no room for another process`;
    case undefined:
    default:
      return `command "${file}" could not be started: ${message}`;
  }
}
