import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { destination, type Logger, pino } from 'pino';
import { diskProblem } from '../kubelet/logs.ts';
import { CommandProblem } from './problem.ts';

/** A directory that one cluster has for itself until `release`. */
export interface HeldDirectory {
  path: string;
  release(): Promise<void>;
}

/**
 * Creates a directory where needed and holds it. The lock is a Unix socket without a file, so it cannot be left behind.
 * @throws CommandProblem when another process holds it or it cannot be written
 */
export async function holdDirectory(path: string, pid: number): Promise<HeldDirectory> {
  const pidFile = join(path, 'pid');
  orUnwritable(path, () => mkdirSync(path, { recursive: true }));
  const real = realpathSync(path);
  const server = createServer();
  const name = `\0hayate-${createHash('sha256').update(real).digest('hex').slice(0, 32)}`;
  const held = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(name, () => resolve(true));
  });
  if (!held) {
    const holder = existsSync(pidFile) ? ` by process ${readFileSync(pidFile, 'utf8').trim()}` : '';
    throw new CommandProblem('InUse', `${real} is in use${holder}; end that one first or choose another --directory`);
  }
  server.unref();
  orUnwritable(path, () => writeFileSync(pidFile, `${pid}\n`));
  return {
    path: real,
    release: async () => {
      rmSync(pidFile, { force: true });
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** Runs of `hayate start` that are kept; its example can be trained again at any time. */
const keptRuns = 5;

/** Makes `<root>/runs/<kind>-<time>` and holds it; older runs of the example make room. */
export async function freshRun(
  root: string,
  kind: 'start' | 'run',
  nowMs: number,
  pid: number,
): Promise<HeldDirectory> {
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
    .filter((name) => name.startsWith('start-') && !existsSync(join(runs, name, 'pid')))
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
  const file = destination({ dest: path, sync: false, mkdir: true });
  file.on('error', () => {});
  return pino({ base: null }, file);
}
