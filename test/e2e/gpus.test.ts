import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { scriptedWorker } from '@hayate/local/cli/scripted-worker.ts';
import type { Cluster } from '@hayate/local/cluster.ts';
import { createJob, freshCluster, isOver, jobs, mnistJob, waitForJob } from './local-cluster.ts';

/** Notes which GPUs it sees, then behaves like a worker that follows `script`. */
const container = (script: string) => ({
  name: 'worker',
  command: [
    process.execPath,
    '-e',
    `require('node:fs').appendFileSync('seen', process.env.CUDA_VISIBLE_DEVICES + '\\n');${scriptedWorker}`,
  ],
  env: [{ name: 'SCRIPT', value: script }],
});

describe('a job that asks for GPUs on a local cluster', function () {
  this.timeout(60_000);
  let cluster: Cluster & { remove(): Promise<void> };
  beforeEach(async () => {
    cluster = await freshCluster(['GPU-0', 'GPU-1']);
  });
  afterEach(async () => await cluster.remove());

  const start = (name: string, replicas: number, script: string, steps = 10) => {
    const template = { spec: { containers: [container(script)] } };
    const workers = { replicas, resourceName: 'nvidia.com/gpu', template };
    const training = { program: { builtin: 'mnist' }, globalBatchSize: 64, steps };
    return createJob(cluster, mnistJob(name, { workers, training }));
  };
  const seen = (name: string) =>
    readFileSync(path.join(cluster.directory, 'work', 'default', name, 'seen'), 'utf8')
      .trim()
      .split('\n');

  it('has one a worker, and the same again in the next attempt', async () => {
    await start('pair', 2, 'fail-once');
    const job = await waitForJob(cluster, 'pair', isOver, 30_000);
    assert.equal(job.status?.phase, 'Succeeded', JSON.stringify(job.status));
    assert.equal(job.status?.attempt, 2);
    assert.deepEqual(seen('pair').slice(0, 2).sort(), ['GPU-0', 'GPU-1']);
    assert.deepEqual(seen('pair').slice(2).sort(), ['GPU-0', 'GPU-1']);
  });

  it('waits while another job has them, says for what, and starts when that one has ended', async () => {
    await start('first', 2, 'steps', 100_000);
    const first = await waitForJob(cluster, 'first', ({ status }) => (status?.workers?.created ?? 0) === 2, 20_000);
    await start('second', 1, 'steps');
    const says =
      (text: RegExp) => (job: { status?: { conditions?: { message?: string | undefined }[] | undefined } }) =>
        job.status?.conditions?.some(({ message }) => text.test(message ?? '')) === true;
    await waitForJob(cluster, 'second', says(/Unschedulable: 0\/1 nodes .*1 Insufficient nvidia\.com\/gpu/), 20_000);
    await cluster.client.delete(jobs, 'default', 'first', { uid: first.metadata.uid });
    const job = await waitForJob(cluster, 'second', isOver, 30_000);
    assert.equal(job.status?.phase, 'Succeeded', JSON.stringify(job.status));
    assert.match(seen('second').join(), /^GPU-[01]$/);
  });
});
