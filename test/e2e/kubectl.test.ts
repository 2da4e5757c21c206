import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { freshCluster, isOver, mnistJob, waitForJob, workerPids } from './local-cluster.ts';

const run = promisify(execFile);
const installed = spawnSync('kubectl', ['version', '--client']).status === 0;

describe('the walk-through with kubectl', () => {
  let cluster: Awaited<ReturnType<typeof freshCluster>>;
  let home: string;
  let environment: NodeJS.ProcessEnv;
  const children: ChildProcess[] = [];

  before(async function () {
    // Without a kubectl on the machine there is nothing to walk with; the API's own suite covers the requests.
    if (!installed) this.skip();
    cluster = await freshCluster();
    home = mkdtempSync(path.join(tmpdir(), 'hayate-kubectl-'));
    environment = { PATH: process.env['PATH'], HOME: home, KUBECONFIG: cluster.kubeconfigPath };
  });
  after(async () => {
    for (const child of children) child.kill();
    await cluster?.remove();
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  });

  const kubectl = async (...args: string[]): Promise<string> =>
    (await run('kubectl', args, { env: environment, timeout: 60_000 })).stdout;
  const refused = async (...args: string[]): Promise<string> => {
    const error = await kubectl(...args).then(
      (out) => assert.fail(`accepted: ${out}`),
      (e: { stderr: string }) => e.stderr,
    );
    return error;
  };
  const manifest = (name: string, spec?: Record<string, unknown>): string => {
    const file = path.join(home, `${name}.yaml`);
    writeFileSync(file, stringify(mnistJob(name, spec)));
    return file;
  };

  /** Starts a command that goes on by itself; `until` is what it has printed once that matches, or after 30 s. */
  const follow = (...args: string[]): { until: (pattern: RegExp) => Promise<string>; stop: () => void } => {
    const child = spawn('kubectl', args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const until = async (pattern: RegExp) => {
      const late = AbortSignal.timeout(30_000);
      while (!pattern.test(text) && !late.aborted) {
        await once(child.stdout, 'data', { signal: late }).catch(() => undefined);
      }
      return text;
    };
    return { until, stop: () => child.kill() };
  };

  it('applies a job, watches it, describes it and reads its logs', async function () {
    this.timeout(180_000);
    const watch = follow('get', 'tj', '-w');
    const file = manifest('walk');
    assert.equal(await kubectl('apply', '-f', file), 'trainingjob.hayate.dev/walk created\n');
    assert.equal(await kubectl('apply', '-f', file), 'trainingjob.hayate.dev/walk unchanged\n');
    await kubectl('wait', '--for=condition=Running', 'tj/walk', '--timeout=60s');
    assert.match(await kubectl('get', 'pods'), /^NAME +READY +STATUS +RESTARTS +AGE\n(walk-w[0-3]-a1 .*\n){4}$/);
    const logs = follow('logs', '-f', 'walk-w0-a1');
    await kubectl('wait', '--for=condition=Succeeded', 'tj/walk', '--timeout=120s');

    // Another kubectl than the one that waited, with a watch of its own: it may hear of the end later.
    const watched = await watch.until(/^walk .*Succeeded/m);
    watch.stop();
    assert.match(watched, /^NAME +PHASE +READY +STEP +RESTARTS +AGE\n/);
    for (const phase of ['Starting', 'Running', 'Succeeded'])
      assert.match(watched, new RegExp(`^walk .*${phase}`, 'm'));
    assert.match(await logs.until(/engine/), /engine/);
    const described = await kubectl('describe', 'tj', 'walk');
    assert.match(described, /Kind: +TrainingJob/);
    assert.match(described, /Events:\n +Type +Reason/);
    assert.match(await kubectl('get', 'tj', 'walk', '-o', 'wide'), /ATTEMPT +LOSS/);
    assert.match(await kubectl('get', 'tj', 'walk', '-o', 'yaml'), /phase: Succeeded/);
    assert.match(await kubectl('logs', '-l', 'hayate.dev/job=walk', '--prefix', '--tail=2'), /^\[pod\/walk-w0-a1\//m);
  });

  it('suspends a job without a worker left, scales it, resumes it from its checkpoint, and deletes it', async function () {
    this.timeout(240_000);
    await kubectl(
      'apply',
      '-f',
      manifest('pause', { training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 400 } }),
    );
    await waitForJob(
      cluster,
      'pause',
      (job) => (job.status?.checkpoint?.step ?? 0) > 0 || job.status?.phase === 'Running',
      60_000,
    );
    assert.match(await refused('scale', 'tj/pause', '--replicas=2'), /workers can change only while suspend is true/);
    await kubectl('patch', 'tj', 'pause', '--type=merge', '-p', '{"spec":{"suspend":true}}');
    await kubectl('wait', '--for=condition=Suspended', 'tj/pause', '--timeout=60s');
    await waitForJob(cluster, 'pause', () => workerPids(cluster.directory).length === 0, 30_000);
    await kubectl('scale', 'tj/pause', '--replicas=2');
    await kubectl('patch', 'tj', 'pause', '--type=merge', '-p', '{"spec":{"suspend":false}}');
    const ended = await waitForJob(cluster, 'pause', isOver, 120_000);
    assert.equal(ended.status?.phase, 'Succeeded', JSON.stringify(ended.status));
    assert.equal(ended.status?.attempt, 2);
    assert.match(await kubectl('logs', 'pause-w0-a2'), /from step [1-9][0-9]* to 400/);
    // Newer clients go on with the namespace.
    assert.match(await kubectl('delete', 'tj', 'pause'), /^trainingjob\.hayate\.dev "pause" deleted\b/);
    await kubectl('wait', '--for=delete', 'pod', '-l', 'hayate.dev/job=pause', '--timeout=30s');
    assert.equal(
      (await run('kubectl', ['get', 'pods', '-l', 'hayate.dev/job=pause'], { env: environment })).stdout,
      '',
    );
  });

  it('deletes a running job with its processes', async function () {
    this.timeout(120_000);
    await kubectl(
      'apply',
      '--server-side',
      '-f',
      manifest('gone', { training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 4000 } }),
    );
    await waitForJob(cluster, 'gone', (job) => job.status?.phase === 'Running', 60_000);
    assert.equal(workerPids(cluster.directory).length, 4);
    await kubectl('delete', 'tj', 'gone');
    await kubectl('wait', '--for=delete', 'pod', '-l', 'hayate.dev/job=gone', '--timeout=40s');
    assert.deepEqual(workerPids(cluster.directory), []);
  });

  it('names every problem of a bad manifest at once, in the words of a real server', async () => {
    const bad = manifest('bad', {
      workers: { replicas: 0 },
      training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: -1 },
    });
    const problems = await refused('apply', '-f', bad);
    assert.match(
      problems,
      /spec\.workers\.replicas: Invalid value: 0: spec\.workers\.replicas in body should be greater than or equal to 1/,
    );
    assert.match(problems, /spec\.training\.steps: Invalid value: -1/);
    assert.match(
      await refused(
        'apply',
        '-f',
        manifest('odd', { training: { program: { builtin: 'mnist' }, globalBatchSize: 65, steps: 1 } }),
      ),
      /training\.globalBatchSize must be a multiple of workers\.replicas/,
    );
    assert.match(await refused('apply', '-f', manifest('typo', { wrokers: {} })), /unknown field "spec\.wrokers"/);
    assert.match(await refused('get', 'tj', 'nobody'), /trainingjobs\.hayate\.dev "nobody" not found/);
  });

  it('says in a sentence what it does not serve', async () => {
    await kubectl(
      'apply',
      '-f',
      manifest('shell', { training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 4000 } }),
    );
    await waitForJob(cluster, 'shell', (job) => job.status?.phase === 'Running', 60_000);
    assert.match(await refused('exec', 'shell-w0-a1', '--', 'ls'), /exec is not served here/);
    await kubectl('delete', 'tj', 'shell');
  });
});
