import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signalGroup } from './process.ts';

/**
 * Waits until its standard input ends, which it does when the kubelet is gone however that went, then ends every
 * process group that still has a file in the directory. A shell, since it must cost nothing and outlive its parent.
 */
const script = `
while read -r line; do :; done
for file in "$1"/*; do
  [ -e "$file" ] || continue
  kill -s KILL -- "-\${file##*/}" 2>/dev/null
  rm -f "$file"
done`;

/** Keeps `<directory>/<pid>` for every process group of this kubelet and sees to it that none outlives the kubelet. */
export class ProcessGuard {
  readonly #directory: string;
  readonly #shell: ChildProcess;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    this.#shell = spawn('/bin/sh', ['-c', script, 'hayate-guard', directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: {},
    });
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    this.#shell.unref();
  }

  add(pid: number, podName: string): void {
    writeFileSync(join(this.#directory, String(pid)), `${podName}\n`);
  }

  remove(pid: number): void {
    rmSync(join(this.#directory, String(pid)), { force: true });
  }

  async close(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.pid === undefined) return;
    const exited = once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await exited;
  }
}

/**
 * Ends processes that an earlier kubelet of the same directory left behind. Only those whose environment names
 * `hostsFile` are its own: a process number may have been given to somebody else since.
 * @returns how many were ended
 */
export function endLeftovers(directory: string, hostsFile: string): number {
  let ended = 0;
  for (const name of listOf(directory)) {
    if (/^\d+$/.test(name) && environmentOf(name).includes(`HAYATE_HOSTS_FILE=${hostsFile}`)) {
      signalGroup(Number(name), 'SIGKILL');
      ended++;
    }
    rmSync(join(directory, name), { force: true });
  }
  return ended;
}

function listOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
