import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import { pino } from 'pino';
import { TestApi } from './kube/test-api.ts';
import { startOperator } from './main.ts';

const jobPath = '/apis/hayate.dev/v1alpha1/namespaces/n/trainingjobs/vgg';

describe('startOperator', () => {
  const api = new TestApi();
  let operator: { close(): Promise<void> } | undefined;

  afterEach(async () => {
    await operator?.close();
    await api.close();
  });

  const status = () => api.find(jobPath)[0]?.status as TrainingJobStatus | undefined;
  const pods = () => api.find('/pods/').map((pod) => pod.metadata.name);
  const until = async (what: string, holds: () => boolean) => {
    const deadline = performance.now() + 5000;
    while (!holds()) {
      if (performance.now() > deadline) assert.fail(`never came: ${what}; ${JSON.stringify(status())}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const mark = (name: string, containerStatus: object) => {
    const path = `/api/v1/namespaces/n/pods/${name}`;
    const pod = api.find(path)[0]!;
    api.put(path, {
      ...pod,
      status: { podIP: '127.77.0.1', containerStatuses: [{ name: 'worker', ...containerStatus }] },
    });
  };

  it('brings a job from nothing to Running and Succeeded', async () => {
    const kubeconfig = await api.listen();
    operator = await startOperator({ kubeconfig, workerImage: 'w:1', log: pino({ level: 'silent' }) });
    api.put(jobPath, {
      apiVersion: 'hayate.dev/v1alpha1',
      kind: 'TrainingJob',
      metadata: {},
      spec: {
        workers: { replicas: 2 },
        training: { program: { builtin: 'mnist' }, globalBatchSize: 4, steps: 3 },
      },
    } as Parameters<TestApi['put']>[1]);
    await until('two pods', () => pods().length === 2);
    assert.deepEqual(pods(), ['vgg-w0-a1', 'vgg-w1-a1']);
    assert.equal(api.find('/services/').length, 1);
    await until('the starting phase', () => status()?.phase === 'Starting' && status()?.workers?.created === 2);
    for (const name of pods()) mark(name, { ready: true, state: { running: {} } });
    await until('the running phase', () => status()?.phase === 'Running');
    assert.equal(status()?.workers?.summary, '2/2');
    for (const name of pods()) mark(name, { ready: false, state: { terminated: { exitCode: 0 } } });
    await until('success', () => status()?.phase === 'Succeeded');
    const events = () => api.find('/events/').map((event) => (event as { reason?: string }).reason);
    await until('its event', () => events().length === 3);
    assert.deepEqual(events(), ['Started', 'Running', 'Succeeded']);
  });
});

describe('node operator/main.ts', () => {
  it('names everything that is wrong with its arguments at once and exits 2', () => {
    const main = path.join(import.meta.dirname, 'main.ts');
    const run = spawnSync(process.execPath, [main, '--metrics-port', '1e9', '--log-level', 'loud'], {
      encoding: 'utf8',
      env: {},
    });
    assert.equal(run.status, 2);
    for (const word of ['--worker-image', '--kubeconfig', '--metrics-port 1e9', '--log-level loud']) {
      assert.ok(run.stderr.includes(word), `${word} in: ${run.stderr}`);
    }
  });
});
