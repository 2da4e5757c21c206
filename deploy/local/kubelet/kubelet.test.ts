import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimAddressBlock } from './addresses.ts';
import { type Kubelet, type PodApi, startKubelet } from './kubelet.ts';
import type { Container, Pod } from './pod.ts';
import { logPath, type PodHost, runDirectory } from './pod-process.ts';
import type { PodStatus } from './status.ts';

/** The least of an API: pods in memory, deletion with grace, removal by uid. */
class MemoryPods implements PodApi {
  readonly pods = new Map<string, Pod & { status?: PodStatus }>();
  readonly statuses: PodStatus[] = [];
  #onPod: (pod: Pod) => void = () => {};
  #onGone: (pod: Pod) => void = () => {};

  watch(onPod: (pod: Pod) => void, onGone: (pod: Pod) => void) {
    this.#onPod = onPod;
    this.#onGone = onGone;
    return Promise.resolve({ stop: () => Promise.resolve() });
  }
  put(pod: Pod): void {
    this.pods.set(pod.metadata.uid, pod as Pod & { status?: PodStatus });
    this.#onPod(structuredClone(pod));
  }
  delete(uid: string, graceSeconds: number): void {
    const pod = this.get(uid);
    pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    pod.metadata.deletionGracePeriodSeconds = graceSeconds;
    this.put(pod);
  }
  get(uid: string): Pod & { status?: PodStatus } {
    const pod = this.pods.get(uid);
    assert.ok(pod, `pod ${uid} is gone`);
    return pod;
  }
  bind(pod: Pod, nodeName: string) {
    this.get(pod.metadata.uid).spec.nodeName = nodeName;
    return Promise.resolve();
  }
  writeStatus(pod: Pod, status: PodStatus) {
    this.statuses.push(status);
    this.get(pod.metadata.uid).status = status;
    return Promise.resolve();
  }
  remove(pod: Pod) {
    if (this.pods.delete(pod.metadata.uid)) this.#onGone(pod);
    return Promise.resolve();
  }
}

const script = (text: string): string[] => [process.execPath, '-e', text];
/** Says so when it runs, ends politely on SIGTERM. */
const patient = "process.on('SIGTERM', () => process.exit(143)); setInterval(() => {}, 1000); console.log('up')";
const stubborn = "process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up')";

function pod(name: string, container: Partial<Container>, spec: Partial<Pod['spec']> = {}): Pod {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: { ...spec, containers: [{ name: 'worker', image: 'any', ...container }] },
  };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain for: ${what}`);
    await sleep(20);
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startKubelet', () => {
  let root: string;
  let api: MemoryPods;
  let host: PodHost;
  let kubelet: Kubelet;
  const problems: string[] = [];

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'hayate-kubelet-'));
    api = new MemoryPods();
    problems.length = 0;
    host = {
      directory: runDirectory(root),
      nodeName: 'local',
      gpus: ['GPU-a', 'GPU-b'],
      defaultCommand: [process.execPath, '-e', "console.log('default')"],
      environment: { PATH: process.env['PATH'], NODE_OPTIONS: '--bad', SECRET: 'x' },
      nodePath: process.execPath,
      now: Date.now,
      onProblem: (sentence) => problems.push(sentence),
    };
    kubelet = await startKubelet(api, await claimAddressBlock(500), host);
  });

  afterEach(async () => {
    await kubelet.close(500);
    rmSync(root, { recursive: true, force: true });
  });

  const state = (uid: string) => api.get(uid).status?.containerStatuses[0]?.state;
  const ended = (uid: string) => {
    const current = state(uid);
    return current !== undefined && 'terminated' in current ? current.terminated : undefined;
  };
  const log = (uid: string) => {
    const path = logPath(host.directory, api.get(uid));
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  const pidOf = (uid: string) => Number(api.get(uid).status?.containerStatuses[0]?.containerID?.slice(10));

  it('runs the command of the first container to its end and reports like a kubelet', async () => {
    api.put(pod('a', { command: script("console.log('out'); console.error('err')") }));
    await until('the end', () => ended('uid-a') !== undefined);
    const status = api.get('uid-a').status;
    assert.equal(api.get('uid-a').spec.nodeName, 'local');
    assert.equal(status?.phase, 'Succeeded');
    assert.equal(ended('uid-a')?.exitCode, 0);
    assert.equal(ended('uid-a')?.reason, 'Completed');
    assert.deepEqual(
      api.statuses.map((s) => s.phase).filter((phase, i, all) => phase !== all[i - 1]),
      ['Running', 'Succeeded'],
    );
    assert.match(log('uid-a'), /^\d{4}-\S+Z stdout F out$/m);
    assert.match(log('uid-a'), /^\d{4}-\S+Z stderr F err$/m);
  });

  it('runs the default command whatever the image when the container names none', async () => {
    api.put(pod('a', {}));
    await until('the end', () => ended('uid-a') !== undefined);
    assert.match(log('uid-a'), /stdout F default$/m);
  });

  it('gives each pod its own address, its name in the hosts file and a minimal environment', async () => {
    const print = script('console.log(JSON.stringify(process.env))');
    const env = [{ name: 'OWN', value: 'at $(POD_NAME)' }];
    const field = { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };
    api.put(pod('a', { command: print, env: [field, ...env] }, { hostname: 'job-w0', subdomain: 'job' }));
    api.put(pod('b', { command: print }, { hostname: 'job-w1', subdomain: 'job' }));
    await until('both ends', () => ended('uid-a') !== undefined && ended('uid-b') !== undefined);
    const [ipA, ipB] = ['uid-a', 'uid-b'].map((uid) => api.get(uid).status?.podIP);
    assert.match(ipA ?? '', /^127\.\d+\.\d+\.\d+$/);
    assert.notEqual(ipA, ipB);
    assert.deepEqual(JSON.parse(readFileSync(host.directory.hostsFile, 'utf8')), {
      'job-w0.job.default.svc': ipA,
      'job-w1.job.default.svc': ipB,
    });
    const seen = JSON.parse(log('uid-a').replace(/^\S+ stdout F /, '')) as Record<string, string>;
    assert.equal(seen['OWN'], 'at a');
    assert.equal(seen['HAYATE_POD_IP'], ipA);
    assert.equal(seen['HAYATE_HOSTS_FILE'], host.directory.hostsFile);
    assert.equal(seen['SECRET'], undefined);
    assert.equal(seen['NODE_OPTIONS'], undefined);
  });

  it('gives pods a GPU each, lets the next wait with a reason, and gives it the one that comes back', async () => {
    const show = `console.log('sees ' + process.env.CUDA_VISIBLE_DEVICES); ${patient}`;
    const asking = (name: string) =>
      pod(name, { command: script(show), resources: { limits: { 'nvidia.com/gpu': '1' } } });
    for (const name of ['a', 'b', 'c']) api.put(asking(name));
    api.put(pod('d', { command: script(show) }));
    await until('all but one', () => ['uid-a', 'uid-b', 'uid-d'].every((uid) => log(uid).includes('up')));
    const seen = (uid: string) => /sees (.*)$/m.exec(log(uid))?.[1];
    assert.deepEqual(['uid-a', 'uid-b', 'uid-d'].map(seen), ['GPU-a', 'GPU-b', '']);
    const waiting = api.get('uid-c');
    assert.equal(waiting.spec.nodeName, undefined);
    assert.equal(waiting.status?.phase, 'Pending');
    const [scheduled] = waiting.status?.conditions ?? [];
    assert.deepEqual(
      [scheduled?.type, scheduled?.status, scheduled?.reason],
      ['PodScheduled', 'False', 'Unschedulable'],
    );
    assert.match(scheduled?.message ?? '', /^0\/1 nodes are available: 1 Insufficient nvidia\.com\/gpu\./);
    api.delete('uid-b', 30);
    await until('its turn', () => log('uid-c').includes('up'));
    assert.equal(seen('uid-c'), 'GPU-b');
    assert.equal(api.get('uid-c').status?.conditions.find(({ type }) => type === 'PodScheduled')?.status, 'True');
  });

  it('lets go of a waiting pod that is deleted, and takes a GPU back from one that could not start', async () => {
    const resources = { limits: { 'nvidia.com/gpu': '2' } };
    api.put(pod('a', { command: script(patient), resources }));
    await until('the start', () => log('uid-a').includes('up'));
    api.put(pod('b', { command: script(patient), resources }));
    await until('the reason', () => api.get('uid-b').status?.phase === 'Pending');
    api.delete('uid-b', 30);
    await until('the removal', () => !api.pods.has('uid-b'));
    api.put(pod('c', { command: ['/does/not/exist'], resources }));
    api.put(pod('d', { command: script(patient), resources }));
    api.delete('uid-a', 30);
    await until('the last one', () => log('uid-d').includes('up'));
    assert.equal(ended('uid-c')?.reason, 'StartError');
  });

  it('reports exit code and termination message of a worker that failed', async () => {
    const fail = "fs.writeFileSync(process.env.HAYATE_TERMINATION_LOG, 'lost rank 2'); process.exit(10)";
    api.put(pod('a', { command: script(fail) }));
    await until('the end', () => ended('uid-a') !== undefined);
    assert.equal(api.get('uid-a').status?.phase, 'Failed');
    assert.deepEqual(
      [ended('uid-a')?.exitCode, ended('uid-a')?.reason, ended('uid-a')?.message],
      [10, 'Error', 'lost rank 2'],
    );
  });

  it('reports 128 + signal for a worker that was killed', async () => {
    api.put(pod('a', { command: script(patient) }));
    await until('the start', () => log('uid-a').includes('up'));
    process.kill(pidOf('uid-a'), 'SIGKILL');
    await until('the end', () => ended('uid-a') !== undefined);
    assert.equal(ended('uid-a')?.exitCode, 137);
  });

  it('ends a pod whose command does not exist with a sentence that says what to correct', async () => {
    api.put(pod('a', { command: ['/does/not/exist'] }));
    await until('the end', () => ended('uid-a') !== undefined);
    assert.deepEqual([ended('uid-a')?.exitCode, ended('uid-a')?.reason], [128, 'StartError']);
    assert.match(ended('uid-a')?.message ?? '', /"\/does\/not\/exist" was not found .* correct command/);
  });

  it('names every variable that one machine cannot provide', async () => {
    const secret = { secretKeyRef: { name: 's', key: 'k' } } as Record<string, unknown>;
    api.put(
      pod('a', {
        env: [
          { name: 'TOKEN', valueFrom: secret },
          { name: 'KEY', valueFrom: secret },
        ],
      }),
    );
    await until('the end', () => ended('uid-a') !== undefined);
    assert.match(ended('uid-a')?.message ?? '', /TOKEN: valueFrom .*KEY: valueFrom/);
  });

  it('sends SIGTERM on deletion, reports the exit code, then lets the API forget the pod', async () => {
    api.put(pod('a', { command: script(patient) }));
    await until('the start', () => log('uid-a').includes('up'));
    api.delete('uid-a', 30);
    await until('the removal', () => !api.pods.has('uid-a'));
    const last = api.statuses.at(-1)?.containerStatuses[0]?.state;
    assert.equal(last !== undefined && 'terminated' in last && last.terminated.exitCode, 143);
    assert.deepEqual(readdirSync(host.directory.pids), []);
  });

  it('sends SIGKILL to one that ignores SIGTERM after the grace period, and no sooner', async () => {
    api.put(pod('a', { command: script(stubborn) }));
    await until('the start', () => log('uid-a').includes('up'));
    const from = Date.now();
    api.delete('uid-a', 1);
    await until('the removal', () => !api.pods.has('uid-a'));
    assert.ok(Date.now() - from >= 1000);
    const last = api.statuses.at(-1)?.containerStatuses[0]?.state;
    assert.equal(last !== undefined && 'terminated' in last && last.terminated.exitCode, 137);
  });

  it('kills a pod that the API has forgotten already', async () => {
    api.put(pod('a', { command: script(stubborn) }));
    await until('the start', () => log('uid-a').includes('up'));
    const pid = pidOf('uid-a');
    await api.remove(api.get('uid-a'));
    await until('its end', () => !lives(pid));
  });

  it('takes what a worker started with it when the worker ends', async () => {
    const parent = `const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'],
      {stdio: 'inherit'}); console.log('child ' + c.pid); setTimeout(() => process.exit(0), 100)`;
    api.put(pod('a', { command: script(parent) }));
    await until('the end', () => ended('uid-a') !== undefined);
    const pid = Number(/child (\d+)/.exec(log('uid-a'))?.[1]);
    assert.ok(pid > 1);
    await until('the end of its child', () => !lives(pid));
  });

  it('is ready when the probe on its own address answers', async () => {
    const server = `require('http').createServer((q, r) => r.writeHead(q.url === '/readyz' ? 200 : 404).end())
      .listen(9464, process.env.HAYATE_POD_IP)`;
    const readinessProbe = { httpGet: { path: '/readyz', port: 'telemetry' }, periodSeconds: 1 };
    api.put(pod('a', { command: script(server), ports: [{ name: 'telemetry', containerPort: 9464 }], readinessProbe }));
    await until('readiness', () => api.get('uid-a').status?.containerStatuses[0]?.ready === true);
    assert.equal(api.statuses.find((s) => s.phase === 'Running')?.containerStatuses[0]?.ready, false);
    assert.equal(api.get('uid-a').status?.conditions.find((c) => c.type === 'Ready')?.status, 'True');
  });

  it('lets the attempts of a job share a directory and starts a later job of that name with an empty one', async () => {
    const attempt = (name: string, uid: string): Pod => {
      const made = pod(name, { command: script("console.log(fs.readdirSync('.')); fs.writeFileSync('kept', '')") });
      const owner = { apiVersion: 'hayate.dev/v1alpha1', kind: 'TrainingJob', name: 'j', uid, controller: true };
      Object.assign(made.metadata, { labels: { 'hayate.dev/job': 'j' }, ownerReferences: [owner] });
      return made;
    };
    for (const [name, owner] of [
      ['a1', 'u1'],
      ['a2', 'u1'],
      ['a3', 'u2'],
    ] as const) {
      api.put(attempt(name, owner));
      await until('the end', () => ended(`uid-${name}`) !== undefined);
    }
    assert.match(log('uid-a1'), / \[\]$/m);
    assert.match(log('uid-a2'), / \[ 'kept' \]$/m);
    assert.match(log('uid-a3'), / \[\]$/m);
    assert.deepEqual(readdirSync(join(host.directory.work, 'default')).sort(), ['j', 'j.1']);
  });

  it('leaves no process behind when it stops, not even a stubborn one', async () => {
    api.put(pod('a', { command: script(stubborn) }));
    api.put(pod('b', { command: script(patient) }));
    await until('both', () => ['uid-a', 'uid-b'].every((uid) => log(uid).includes('up')));
    const pids = ['uid-a', 'uid-b'].map(pidOf);
    await kubelet.close(200);
    assert.deepEqual(pids.map(lives), [false, false]);
    assert.deepEqual(problems, []);
  });
});
