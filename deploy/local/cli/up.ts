import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../cluster.ts';
import { exampleManifest } from './example.ts';
import { shownPath } from './format.ts';
import type { Terminal } from './output.ts';
import { CommandProblem } from './problem.ts';
import { fileLog, holdDirectory } from './run-directory.ts';

const graceMs = 1500;

/** Keeps a cluster up until `signal` aborts. It starts empty: objects live in memory, logs of an earlier one go. */
export async function up(
  request: { directory: string; port: number },
  terminal: Terminal,
  signal: AbortSignal,
  gpus: readonly string[],
): Promise<number> {
  const held = holdDirectory(request.directory, terminal.pid);
  try {
    for (const name of ['logs', 'pods']) rmSync(join(held.path, name), { recursive: true, force: true });
    const log = fileLog(join(held.path, 'cluster.log'));
    const cluster = await startCluster({ directory: held.path, port: request.port, gpus, log, signal }).catch(
      (error: unknown) => {
        throw portProblem(error, request.port);
      },
    );
    const shown = (path: string) => shownPath(path, terminal.cwd);
    terminal.write(`${welcome(cluster.kubeconfigPath, shown(exampleManifest), shown(held.path), request.port)}\n`);
    while (!signal.aborted) await sleep(2 ** 30, undefined, { signal }).catch(() => {});
    terminal.write('stopping …\n');
    await cluster.close(graceMs);
    terminal.write('stopped; nothing is left running\n');
    return 130;
  } finally {
    held.release();
  }
}

function portProblem(error: unknown, port: number): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error;
  return new CommandProblem(
    'InUse',
    `port ${port} is in use by another program; choose another one with --port`,
    error,
  );
}

function welcome(kubeconfigPath: string, example: string, directory: string, port: number): string {
  return `Hayate is up on 127.0.0.1:${port}, for this machine only. Ctrl-C ends it.

In another terminal:

  export KUBECONFIG=${kubeconfigPath}
  kubectl apply -f ${example}
  kubectl get tj -w
  kubectl describe tj mnist
  kubectl logs -f -l hayate.dev/job=mnist --prefix
  kubectl delete tj mnist

Logs, reports and checkpoints: ${directory}`;
}
