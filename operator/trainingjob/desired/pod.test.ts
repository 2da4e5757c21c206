import assert from 'node:assert/strict';
import { trainingJobSpec } from '@hayate/crds/trainingjob.ts';
import { configVariable, parseWorkerConfig } from '@hayate/crds/worker-config.ts';
import { specOf } from '../simulated-world.ts';
import { desiredPod } from './pod.ts';

const jobWith = (workers: object) => ({
  name: 'vgg',
  namespace: 'n',
  uid: 'u',
  generation: 1,
  spec: trainingJobSpec.parse(specOf({ workers: { replicas: 2, ...workers } })),
});

describe('desiredPod', () => {
  it('names the pod by rank and attempt, and gives it a stable host name', () => {
    const pod = desiredPod(jobWith({}), 1, 3, 'w:1');
    assert.equal(pod.metadata.name, 'vgg-w1-a3');
    assert.deepEqual([pod.spec.hostname, pod.spec.subdomain, pod.spec.restartPolicy], ['vgg-w1', 'vgg', 'Never']);
    assert.equal(pod.metadata.ownerReferences?.[0]?.controller, true);
    assert.deepEqual(pod.metadata.labels, {
      'app.kubernetes.io/name': 'hayate',
      'app.kubernetes.io/instance': 'vgg',
      'app.kubernetes.io/component': 'worker',
      'app.kubernetes.io/managed-by': 'hayate',
      'hayate.dev/job': 'vgg',
      'hayate.dev/attempt': '3',
      'hayate.dev/worker-index': '1',
    });
  });

  it('keeps what the template says and lets its own keys win', () => {
    const template = {
      metadata: { labels: { team: 'a', 'hayate.dev/job': 'mine' }, annotations: { note: 'x' } },
      spec: {
        hostname: 'mine',
        nodeSelector: { gpu: 'yes' },
        containers: [
          { name: 'train', image: 'mine:2', command: ['node'], env: [{ name: 'A', value: '1' }] },
          { name: 'sidecar', image: 's:1' },
        ],
      },
    };
    const pod = desiredPod(jobWith({ template }), 0, 1, 'w:1');
    assert.equal(pod.metadata.labels?.['team'], 'a');
    assert.equal(pod.metadata.labels?.['hayate.dev/job'], 'vgg');
    assert.deepEqual(pod.metadata.annotations, { note: 'x' });
    assert.equal(pod.spec.hostname, 'vgg-w0');
    assert.deepEqual(pod.spec['nodeSelector'], { gpu: 'yes' });
    const [worker, sidecar] = pod.spec.containers;
    assert.deepEqual([worker?.name, worker?.image, worker?.['command']], ['train', 'mine:2', ['node']]);
    assert.deepEqual(
      worker?.env?.map((e) => e.name),
      ['A', configVariable],
    );
    assert.deepEqual(sidecar, { name: 'sidecar', image: 's:1' });
  });

  it('has a worker of the default image when the template names none', () => {
    const [worker] = desiredPod(jobWith({}), 0, 1, 'w:1').spec.containers;
    assert.deepEqual([worker?.name, worker?.image, worker?.resources], ['worker', 'w:1', undefined]);
    assert.deepEqual(
      worker?.ports?.map((p) => p.containerPort),
      [29_600, 9464],
    );
  });

  it('asks for one of the accelerator that the job names', () => {
    const [worker] = desiredPod(jobWith({ resourceName: 'nvidia.com/gpu' }), 0, 1, 'w:1').spec.containers;
    assert.deepEqual(worker?.resources?.limits, { 'nvidia.com/gpu': '1' });
  });

  it('tells a worker whether its pod has asked for a GPU, and how precisely to compute', () => {
    const toldOf = (workers: object, precision?: string) => {
      const job = jobWith(workers);
      const spec = trainingJobSpec.parse({ ...job.spec, training: { ...job.spec.training, precision } });
      const [worker] = desiredPod({ ...job, spec }, 0, 1, 'w:1').spec.containers;
      const parsed = parseWorkerConfig(worker?.env?.find(({ name }) => name === configVariable)?.value);
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.problems.join());
      return [parsed.config.device, parsed.config.training.precision];
    };
    assert.deepEqual(toldOf({}), ['cpu', 'Float32']);
    assert.deepEqual(toldOf({ resourceName: 'nvidia.com/gpu' }), ['gpu', 'Float32']);
    assert.deepEqual(toldOf({ resourceName: 'nvidia.com/gpu' }, 'TF32'), ['gpu', 'TF32']);
  });
});
