import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { KubeClient } from '@hayate/operator/kube/client.ts';
import { systemClock } from '@hayate/operator/kube/clock.ts';
import { startOperator } from '@hayate/operator/main.ts';
import type { Logger } from 'pino';
import { kubeconfig, startEmbeddedApi } from './api/server.ts';
import { claimAddressBlock } from './kubelet/addresses.ts';
import { gpuResource } from './kubelet/gpus.ts';
import { startKubelet } from './kubelet/kubelet.ts';
import { podApi } from './kubelet/pod-api.ts';
import { podLogs } from './kubelet/pod-logs.ts';
import { runDirectory } from './kubelet/pod-process.ts';

/** A whole cluster in this process: Kubernetes API, operator and kubelet; workers are its child processes. */
export interface Cluster {
  /** Address of the API with its secret path. */
  url: string;
  directory: string;
  kubeconfigPath: string;
  client: KubeClient;
  /** Ends operator, workers and API, in this order; workers that do not end in `graceMs` are killed. */
  close(graceMs?: number): Promise<void>;
}

export interface ClusterOptions {
  /** Where logs, reports, checkpoints and the kubeconfig go; one cluster at a time. */
  directory: string;
  /** Of the API; 0 or none = a free one. */
  port?: number;
  /** GPUs that workers may have, one each, by their names for CUDA_VISIBLE_DEVICES. */
  gpus: readonly string[];
  log: Logger;
  /** Aborts the start: what had been started is closed again. */
  signal?: AbortSignal;
}

const nodeName = 'local';
/** No image is pulled here; the name only fills the column. */
const workerImage = 'hayate-worker:local';
const graceMsByDefault = 3000;
const workerMain = fileURLToPath(import.meta.resolve('@hayate/worker/main.ts'));

/** Brings a cluster up. What had been started is closed again when a later part fails. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { directory, gpus, log } = options;
  const unlessAborted = abortable(options.signal);
  const closers: ((graceMs: number) => Promise<void>)[] = [];
  const close = async (graceMs = graceMsByDefault) => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
      await closer(graceMs).catch((error: unknown) => log.error({ err: error }, 'closing the cluster'));
    }
  };
  try {
    mkdirSync(directory, { recursive: true });
    const api = await startEmbeddedApi({
      port: options.port ?? 0,
      crds: [trainingJobDefinition()],
      now: () => new Date(),
      randomBytes,
      devices: gpus.length > 0 ? { [gpuResource]: gpus.length } : {},
    });
    closers.push(() => api.close());
    const config = kubeconfig(api.url);
    const kubeconfigPath = join(directory, 'kubeconfig');
    writeFileSync(kubeconfigPath, config, { mode: 0o600 });
    const client = new KubeClient({ kubeconfig: config, clock: systemClock, random: Math.random });
    closers.push(() => client.close());
    const onProblem = (sentence: string) => log.error({ component: 'kubelet' }, sentence);
    const run = runDirectory(directory);
    const kubelet = await unlessAborted(
      startKubelet(podApi(client, Math.random, onProblem), await claimAddressBlock(process.pid % 1024), {
        directory: run,
        nodeName,
        gpus,
        defaultCommand: [process.execPath, workerMain],
        environment: process.env,
        nodePath: process.execPath,
        now: Date.now,
        onProblem,
      }),
    );
    closers.push((graceMs) => kubelet.close(graceMs));
    api.setLogSource(podLogs(run, (uid) => kubelet.isRunning(uid)));
    const operator = await unlessAborted(startOperator({ kubeconfig: config, workerImage, log }));
    closers.push(() => operator.close());
    return { url: api.url, directory, kubeconfigPath, client, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Makes a wait end with the abort of `signal`, whatever becomes of the work itself. */
function abortable(signal: AbortSignal | undefined): <T>(work: Promise<T>) => Promise<T> {
  if (signal === undefined) return (work) => work;
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  return (work) => Promise.race([work, aborted]);
}
