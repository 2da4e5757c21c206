import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { scriptedWorker } from './scripted-worker.ts';

const hayate = fileURLToPath(new URL('../hayate.js', import.meta.url));

interface Run {
  status: number | null;
  out: string;
  err: string;
}

describe('hayate', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hayate-cli-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function begin(
    args: string[],
    env: NodeJS.ProcessEnv = process.env,
  ): { child: ChildProcess; ended: Promise<Run>; out: () => string } {
    const child = spawn(process.execPath, [hayate, ...args], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, out, err }));
    return { child, ended, out: () => out };
  }

  const run = (...args: string[]) => begin(args).ended;

  /** An environment in which nvidia-smi lists so many GPUs. */
  function machineWith(gpus: number): NodeJS.ProcessEnv {
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const lines = Array.from({ length: gpus }, (_, i) => `echo "GPU-${i}, NVIDIA H200, 580.159.04, 143771, 9.0"\n`);
    writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n${lines.join('')}`, { mode: 0o755 });
    const { CUDA_VISIBLE_DEVICES: _, ...env } = process.env;
    return { ...env, PATH: `${bin}:${env['PATH']}` };
  }

  /** A manifest whose workers follow a script instead of training. */
  function manifest(name: string, script: string, more: object = {}): string {
    const container = {
      name: 'worker',
      command: [process.execPath, '-e', scriptedWorker],
      env: [{ name: 'SCRIPT', value: script }],
    };
    const job = {
      apiVersion: 'hayate.dev/v1alpha1',
      kind: 'TrainingJob',
      metadata: { name },
      spec: {
        workers: { replicas: 2, template: { spec: { containers: [container] } } },
        training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 10 },
        failurePolicy: { backoff: { initialSeconds: 0 } },
        ...more,
      },
    };
    const path = join(directory, `${name}.yaml`);
    writeFileSync(path, stringify(job));
    return path;
  }

  /** Command lines of living processes that mention this test's directory: workers, guards, anything left. */
  function leftovers(): string[] {
    return readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
      .filter((pid) => ['cmdline', 'environ'].some((file) => textOf(`/proc/${pid}/${file}`).includes(directory)));
  }

  function textOf(path: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  }

  async function outputHas(out: () => string, child: ChildProcess, text: string): Promise<void> {
    while (!out().includes(text)) {
      assert.equal(child.exitCode, null, out());
      await once(child.stdout!, 'data');
    }
  }

  it('answers an unknown command with a suggestion and status 2', async () => {
    assert.deepEqual(await run('strat'), {
      status: 2,
      out: '',
      err: 'hayate: unknown command "strat"; did you mean start?\n',
    });
  });

  it('validates without a cluster and names every problem of every file', async () => {
    const good = manifest('good', 'steps');
    assert.deepEqual(await run('validate', good), { status: 0, out: `${good}: good is right\n`, err: '' });
    const bad = manifest('bad', 'steps', { wrokers: {}, training: { program: {}, globalBatchSize: 0, steps: 'many' } });
    const { status, err } = await run('validate', good, bad);
    assert.equal(status, 2);
    for (const field of [
      'spec.wrokers',
      'spec.training.globalBatchSize',
      'spec.training.steps',
      'spec.training.program',
    ]) {
      assert.ok(err.includes(field), `${field} in ${err}`);
    }
    assert.deepEqual(readdirSync(directory).sort(), ['bad.yaml', 'good.yaml']);
  });

  it('plans a job without training it: where, how precisely, and what a worker will hold', async () => {
    const { status, out, err } = await run('plan', manifest('small', 'steps'), '--json');
    assert.equal(status, 0, err);
    const planned = JSON.parse(out) as { memory: Record<string, number>; [name: string]: unknown };
    assert.deepEqual(
      [planned['job'], planned['workers'], planned['batchSize'], planned['device'], planned['precision']],
      ['small', 2, 32, 'cpu', 'float32'],
    );
    const { predictedPeakBytes = 0, baseBytes = 0, stockPeakBytes = 0 } = planned.memory;
    assert.ok(baseBytes > 0 && baseBytes < predictedPeakBytes && predictedPeakBytes < stockPeakBytes, out);
    assert.deepEqual(readdirSync(directory), ['small.yaml']);
  });

  it('says what is wrong with a program that cannot be planned, and with which file', async () => {
    const job = {
      training: { program: { builtin: 'mnist' }, parameters: { speed: 1 }, globalBatchSize: 64, steps: 10 },
    };
    const file = manifest('odd', 'steps', job);
    const { status, out, err } = await run('plan', file);
    assert.deepEqual([status, out], [2, '']);
    assert.equal(err, `hayate: ${file}: training.parameters.speed: the program has no such parameter\n`);
  });

  it('says that a file does not exist', async () => {
    assert.deepEqual(await run('run', 'none.yaml'), { status: 2, out: '', err: 'hayate: none.yaml does not exist\n' });
  });

  it('runs a job through a restart to its end, one JSON object an event', async () => {
    const { status, out, err } = await run('run', manifest('shaky', 'fail-once'), '--json');
    assert.equal(status, 0, err);
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(events[0]?.['event'], 'cluster');
    const failure = events.find(({ event }) => event === 'failure');
    assert.deepEqual([failure?.['rank'], failure?.['exitCode'], failure?.['class']], [1, 12, 'outOfMemory']);
    const last = events.at(-1);
    assert.deepEqual(
      [last?.['event'], last?.['job'], last?.['phase'], last?.['accuracy'], last?.['restarts']],
      ['finished', 'shaky', 'Succeeded', 0.98, 1],
    );
    assert.deepEqual(
      last?.['ranks'],
      [0, 1].map((rank) => ({ rank, weightsDigest: 'd1' })),
    );
    assert.deepEqual(leftovers(), []);
  });

  it('fails with the reason and the end of the log of the worker that failed', async () => {
    const path = manifest('doomed', 'fail-once', { failurePolicy: { maxRestarts: 0 } });
    const { status, out } = await run('run', path);
    assert.equal(status, 1);
    assert.match(
      out,
      /doomed: rank 1 failed in attempt 1 at step 3 \(outOfMemory, exit code 12\): ran out of device memory/,
    );
    assert.match(
      out,
      /doomed failed after .*\n\nThe last 2 lines of doomed-w1-a1 .*\n {2}rank 1 of 2 begins, attempt 1\n {2}about to fail/,
    );
  });

  it('gives each worker of a job that asks for GPUs one of its own', async () => {
    const noting = "require('node:fs').appendFileSync('seen', process.env.CUDA_VISIBLE_DEVICES + '\\n');";
    const container = { name: 'worker', command: [process.execPath, '-e', noting + scriptedWorker] };
    const workers = { replicas: 2, resourceName: 'nvidia.com/gpu', template: { spec: { containers: [container] } } };
    const path = manifest('pair', 'steps', { workers });
    const { status, out, err } = await begin(['run', path, '--directory', 'kept'], machineWith(2)).ended;
    assert.equal(status, 0, out + err);
    const [made = ''] = readdirSync(join(directory, 'kept', 'runs'));
    const seen = readFileSync(join(directory, 'kept', 'runs', made, 'work', 'default', 'pair', 'seen'), 'utf8');
    assert.deepEqual(seen.trim().split('\n').sort(), ['GPU-0', 'GPU-1']);
  });

  it('starts nothing where a job asks for more GPUs than there are, and says how many are missing', async () => {
    const path = manifest('pair', 'steps', { workers: { replicas: 2, resourceName: 'nvidia.com/gpu' } });
    const { status, out, err } = await begin(['run', path], machineWith(1)).ended;
    assert.deepEqual([status, out], [1, '']);
    assert.match(err, /^hayate: .*pair\.yaml: pair needs 2 nvidia\.com\/gpu, .* has 1: 1 missing; .*\n$/);
    assert.deepEqual(readdirSync(directory).sort(), ['bin', 'pair.yaml']);
  });

  it('gives up at once on a worker that cannot be started', async () => {
    const workers = { replicas: 1, template: { spec: { containers: [{ name: 'worker', command: ['/no/such'] }] } } };
    const { status, out } = await run('run', manifest('absent', 'steps', { workers }));
    assert.equal(status, 1);
    assert.match(out, /absent failed after .*: command "\/no\/such" was not found on this machine; correct command/);
    assert.doesNotMatch(out, /attempt 2/);
  });

  it('ends everything at Ctrl-C, even workers that do not listen', async () => {
    const { child, ended, out } = begin(['run', manifest('hang', 'hang')]);
    await outputHas(out, child, 'training on 2 workers');
    child.kill('SIGINT');
    // The terminal, npm and the launcher may each pass the same key on.
    child.kill('SIGINT');
    const { status } = await ended;
    assert.equal(status, 130);
    assert.match(out(), /stopping the workers .*\nstopped; nothing is left running/);
    assert.deepEqual(leftovers(), []);
  });

  it('leaves no worker behind even when it is killed itself', async () => {
    const { child, ended, out } = begin(['run', manifest('hang', 'hang')]);
    await outputHas(out, child, 'training on 2 workers');
    child.kill('SIGKILL');
    await ended;
    const deadline = Date.now() + 5000;
    while (leftovers().length > 0 && Date.now() < deadline) await once(AbortSignal.timeout(20), 'abort');
    assert.deepEqual(leftovers(), []);
  });

  it('lets up hold its directory and port and says who has them', async () => {
    const { child, ended, out } = begin(['up', '--port', '17391']);
    await outputHas(out, child, 'Hayate is up');
    const [directoryTaken, portTaken] = await Promise.all([
      run('up', '--port', '17392'),
      run('up', '--port', '17391', '--directory', 'other'),
    ]);
    assert.equal(directoryTaken.status, 1);
    assert.ok(directoryTaken.err.includes(`is in use by process ${child.pid};`), directoryTaken.err);
    assert.equal(portTaken.status, 1);
    assert.equal(portTaken.err, 'hayate: port 17391 is in use by another program; choose another one with --port\n');
    child.kill('SIGTERM');
    assert.equal((await ended).status, 130);
  });

  it('says in one sentence that its directory cannot be made', async () => {
    mkdirSync(join(directory, 'x'));
    writeFileSync(join(directory, 'x', 'file'), '');
    const { status, err } = await run('run', manifest('job', 'steps'), '--directory', 'x/file');
    assert.equal(status, 1);
    assert.match(err, /^hayate: x\/file\/runs could not be written: .*\n$/);
  });
});
