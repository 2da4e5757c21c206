import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { destination, type Logger, pino } from 'pino';
import { diskProblem } from '../kubelet/logs.ts';
import { CommandProblem } from './problem.ts';

/** A directory that one cluster has for itself until `release`. */
export interface HeldDirectory {
  path: string;
  release(): void;
}

const lockFile = 'pid';

/**
 * Creates a directory where needed and holds it by a file that names this process. What a killed process left there
 * does not count.
 * @throws CommandProblem when a living process holds it or it cannot be written
 */
export function holdDirectory(path: string, pid: number): HeldDirectory {
  orUnwritable(path, () => mkdirSync(path, { recursive: true }));
  const real = realpathSync(path);
  const lock = join(real, lockFile);
  const mine = `${pid} ${startOf(pid)}\n`;
  const holder = holderOf(real);
  if (holder !== undefined) {
    const what = `${real} is in use by process ${holder}`;
    throw new CommandProblem('InUse', `${what}; end that one first, or choose another directory with --directory`);
  }
  orUnwritable(lock, () => {
    rmSync(lock, { force: true });
    writeFileSync(lock, mine, { flag: 'wx' });
  });
  return { path: real, release: () => rmSync(lock, { force: true }) };
}

/** Number of the living process that holds a directory. */
function holderOf(path: string): number | undefined {
  const [pid, start] = textOf(join(path, lockFile)).trim().split(' ');
  return pid !== undefined && start !== undefined && startOf(Number(pid)) === start ? Number(pid) : undefined;
}

/** When a process was started, in ticks since boot; empty if there is none. Tells it from a later one of its number. */
function startOf(pid: number): string {
  const stat = textOf(`/proc/${pid}/stat`);
  // The second field is a name in parentheses that may hold anything; the start is field 22.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Runs of `hayate start` that are kept; its example can be trained again at any time. */
const keptRuns = 5;

/** Makes `<root>/runs/<kind>-<time>` and holds it; older runs of the example make room. */
export function freshRun(root: string, kind: 'start' | 'run', nowMs: number, pid: number): HeldDirectory {
  const runs = join(root, 'runs');
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  orUnwritable(runs, () => mkdirSync(runs, { recursive: true }));
  if (kind === 'start') removeOldRuns(runs);
  for (let number = 1; ; number++) {
    const path = join(runs, `${kind}-${stamp}${number === 1 ? '' : `-${number}`}`);
    if (existsSync(path)) continue;
    orUnwritable(path, () => mkdirSync(path));
    return holdDirectory(path, pid);
  }
}

function removeOldRuns(runs: string): void {
  const old = readdirSync(runs)
    .filter((name) => name.startsWith('start-') && holderOf(join(runs, name)) === undefined)
    .sort()
    .slice(0, -keptRuns);
  for (const name of old) rmSync(join(runs, name), { recursive: true, force: true });
}

function orUnwritable(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new CommandProblem('Unwritable', diskProblem(path, error as NodeJS.ErrnoException), error);
  }
}

/** Log of a cluster's own parts. A disk that fills up costs log lines, not the run. */
export function fileLog(path: string): Logger {
  const file = destination({ dest: path, sync: true, mkdir: true });
  file.on('error', () => {});
  return pino({ base: null }, file);
}
