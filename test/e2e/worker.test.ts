import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { workerReport } from '@hayate/crds/worker-config.ts';
import { type GroupSetting, large, range, small, type WorkerProcess, WorkerRig } from './worker-group.ts';

const ends = (workers: readonly WorkerProcess[]) => Promise.all(workers.map(({ ended }) => ended));
const outputs = (workers: readonly WorkerProcess[]) => workers.map(({ output }) => output).join('\n');

const pair: GroupSetting = { worldSize: 2 };

/** Slow enough that a test can act while it trains, for ever as far as the test is concerned. */
const long: GroupSetting = { steps: 100_000, parameters: { batchMs: 20 }, everySteps: 100_000 };

describe('worker processes', function () {
  this.timeout(90_000);
  let rig: WorkerRig;
  beforeEach(() => {
    rig = new WorkerRig();
  });
  afterEach(async () => await rig.close());

  const codes = async (workers: readonly WorkerProcess[], expected: readonly (number | null)[]) => {
    const all = await ends(workers);
    assert.deepEqual(
      all.map(({ code }) => code),
      expected,
      outputs(workers),
    );
    return all;
  };
  const started = async (workers: readonly WorkerProcess[]) => {
    await Promise.all(workers.map((worker) => worker.says(/from step \d+ to/)));
  };
  /** Runs a whole job undisturbed and returns the digest of its weights. */
  const digest = async (setting: GroupSetting) => {
    const workers = rig.start(setting);
    await codes(
      workers,
      workers.map(() => 0),
    );
    const digests = new Set(rig.reports(workers.length).map(({ weightsDigest }) => weightsDigest));
    assert.equal(digests.size, 1);
    return [...digests][0];
  };

  it('train mnist on four ranks, agree on every weight and exit 0', async () => {
    const steps = 40;
    const workers = rig.start({ worldSize: 4, program: { builtin: 'mnist' }, globalBatchSize: 32, steps });
    await workers[0]!.says(/engine wasm: the default/);
    await started(workers);
    assert.equal((await workers[1]!.get('/readyz')).status, 200);
    const report = workerReport.parse(JSON.parse((await workers[0]!.get('/status')).text));
    assert.deepEqual([report.job, report.totalSteps], [{ uid: 'uid-1', attempt: 1 }, steps]);
    assert.match((await workers[3]!.get('/metrics')).text, /^hayate_memory_peak_bytes\{kind="predicted"\} \d{4,}$/m);
    await codes(workers, [0, 0, 0, 0]);
    const reports = rig.reports(4);
    assert.equal(new Set(reports.map(({ weightsDigest }) => weightsDigest)).size, 1);
    for (const { steps: done, memory, communication } of reports) {
      assert.equal(done, steps);
      assert.equal(memory.measuredPeakBytes, memory.predictedPeakBytes);
      assert.ok(Object.values(communication.bytesByCollective).reduce((sum, bytes) => sum + bytes, 0) > 0);
    }
    assert.deepEqual(readdirSync(path.join(rig.directory, 'checkpoints')), [`step-${steps}.ckpt`]);
  });

  it('exit 10 within 2 s of the death of a rank, and name it', async () => {
    for (const victim of [2, 0]) {
      const workers = rig.start({ ...long, attempt: victim + 1 });
      await started(workers);
      const killedMs = performance.now();
      workers[victim]!.signal('SIGKILL');
      const all = await ends(workers);
      for (const rank of range(3).filter((r) => r !== victim)) {
        const { code, atMs, termination } = all[rank]!;
        assert.equal(code, 10, workers[rank]!.output);
        assert.ok(atMs - killedMs < 2000, `rank ${rank} took ${Math.round(atMs - killedMs)} ms`);
        assert.equal(termination?.class, 'peerLost');
        assert.equal(termination.blamedRank, victim, termination.message);
      }
    }
  });

  it('give up a rank that is silent for 2 s, and that rank finds itself fenced out', async () => {
    const workers = rig.start(long);
    await started(workers);
    workers[1]!.signal('SIGSTOP');
    const [zero, two] = await ends([workers[0]!, workers[2]!]);
    for (const end of [zero, two]) {
      assert.equal(end!.code, 10);
      assert.equal(end!.termination?.blamedRank, 1, end!.termination?.message);
      assert.match(end!.termination?.message ?? '', /silent for more than 2 s/);
    }
    workers[1]!.signal('SIGCONT');
    assert.equal((await workers[1]!.ended).code, 16, workers[1]!.output);
  });

  it('end with 3 where the program throws, and name that rank elsewhere', async () => {
    const workers = rig.start({ ...long, parameters: { fault: { rank: 1, step: 4, kind: 'throw' } } });
    const [zero, one, two] = await codes(workers, [10, 3, 10]);
    assert.match(one!.termination?.message ?? '', /no batch of step 4/);
    for (const end of [zero, two]) assert.equal(end!.termination?.blamedRank, 1);
  });

  it('end with 14 where numbers are no longer finite', async () => {
    const workers = rig.start({ ...long, ...pair, parameters: { fault: { rank: 1, step: 4, kind: 'nan' } } });
    const all = await ends(workers);
    assert.ok(
      all.every(({ code }) => code === 14 || code === 10) && all.some(({ code }) => code === 14),
      outputs(workers),
    );
    const said = all.map(({ termination }) => termination?.message ?? '').join('\n');
    assert.match(said, /NaN|finite/);
  });

  it('end with 12 where memory runs out in the middle of a step, and name the kernel, its shape and its place in the plan', async () => {
    const [only] = rig.start({ worldSize: 1, program: large, globalBatchSize: 4096, env: { HAYATE_ENGINE: 'wasm' } });
    const { code, termination } = await only!.ended;
    assert.equal(code, 12, only!.output);
    assert.deepEqual([termination?.class, termination?.reason], ['outOfMemory', 'OutOfMemory']);
    assert.match(
      termination?.message ?? '',
      /^no memory left while running (\w+); use a smaller batch or more ranks \(at \1 → \[\d+, \d+\] \(layer 1, forward\), event \d+ of/,
    );
    assert.ok(!readdirSync(rig.directory).includes('checkpoints'));
  });

  it('end a stuck exchange after its timeout, with the missing rank named', async () => {
    const parameters = { fault: { rank: 1, step: 3, kind: 'hang' } };
    const workers = rig.start({ ...long, ...pair, parameters, timeoutSeconds: 2 });
    const all = await codes(workers, [10, 11]);
    for (const { termination } of all) assert.equal(termination?.blamedRank, 1, termination?.message);
  });

  it('name every problem of a configuration at once, and exit 2', async () => {
    const { training, ...rest } = rig.config({ worldSize: 2 });
    const wrong = JSON.stringify({ ...rest, rank: -1, extra: 1, training: { ...training, steps: 0 } });
    const worker = rig.startRaw({ HAYATE_CONFIG: wrong, HAYATE_ENGINE: 'abacus' });
    const { code, termination } = await worker.ended;
    assert.equal(code, 2);
    for (const word of [/rank/, /extra/, /training\.steps/, /HAYATE_ENGINE: "abacus"/]) {
      assert.match(termination?.message ?? '', word);
    }
    assert.equal((await rig.startRaw({}).ended).code, 2);
  });

  it('exit 3 for a program that is not there, and name it', async () => {
    const [only] = rig.start({ worldSize: 1, program: { module: './nowhere.ts' } });
    const { code, termination } = await only!.ended;
    assert.equal(code, 3, only!.output);
    assert.match(termination?.message ?? '', /nowhere\.ts/);
  });

  it('exit 15 without the engine that was asked for', async () => {
    const [only] = rig.start({ worldSize: 1, env: { HAYATE_ENGINE: 'native' } });
    assert.equal((await only!.ended).code, 15, only!.output);
  });

  it('say in one sentence which port another program holds', async () => {
    for (const port of [29_600, 29_601, 9464]) {
      const config = rig.config({ worldSize: 1 });
      const host = `127.${200 + (process.pid % 50)}.1.${port % 250}`;
      const squatter = createServer().listen(port, host);
      await new Promise((resolve) => squatter.once('listening', resolve));
      const worker = rig.startOne({ ...config, peers: [`${host}:29600`] }, 0, host, {});
      const { code, termination } = await worker.ended;
      squatter.close();
      assert.equal(code, 2, worker.output);
      const message = termination?.message ?? '';
      assert.ok(message.includes(String(port)) && message.includes(host), message);
      assert.match(message, /in use by another program|another program uses it/);
      assert.doesNotMatch(message, /\n/);
    }
  });

  it('name the rank that never came', async () => {
    const workers = rig.start({ worldSize: 3, startupSeconds: 3 }, [0, 1]);
    for (const { termination } of await codes(workers, [10, 10])) {
      assert.match(termination?.message ?? '', /rank 2 had not joined after 3 s/);
      assert.equal(termination?.blamedRank, 2);
    }
  });

  it('end with 143 at once when asked before the group is complete', async () => {
    const [zero, one] = rig.start({ worldSize: 3 }, [0, 1]);
    const [lonely] = rig.start({ worldSize: 3, attempt: 2 }, [2]);
    await Promise.all([zero!, one!, lonely!].map((worker) => worker.says(/rank \d of 3/)));
    for (const worker of [zero!, one!, lonely!]) worker.signal('SIGTERM');
    await codes([zero!, one!, lonely!], [143, 143, 143]);
  });

  it('exit 2 where the settings are not those of rank 0, and name what differs', async () => {
    const config = rig.config(pair);
    const peers = [1, 2].map((n) => `127.${200 + (process.pid % 50)}.4.${n}:29600`);
    const workers = peers.map((peer, rank) => {
      const training = { ...config.training, seed: 42 + rank };
      return rig.startOne({ ...config, peers, training }, rank, peer.split(':')[0]!, {});
    });
    const all = await codes(workers, [10, 2]);
    for (const end of all) assert.match(end.termination?.message ?? '', /rank 1 .*: the training settings/);
  });

  it('exit 17 when the checkpoint cannot be written', async () => {
    writeFileSync(path.join(rig.directory, 'file'), '');
    const workers = rig.start({
      worldSize: 2,
      checkpointDirectory: 'file/checkpoints',
      everySteps: 5,
      steps: 10,
    });
    const all = await ends(workers);
    assert.equal(all[0]!.code, 17, outputs(workers));
    assert.match(all[0]!.termination?.message ?? '', /in file\/checkpoints: ENOTDIR/);
  });

  it('exit 17 when the disk is full, and keep the checkpoint before', async function () {
    const fullDisk = path.join(rig.directory, 'small-disk');
    mkdirSync(fullDisk);
    // A full file system has to be mounted, which only root of its own namespace may do.
    if (spawnSync('/bin/sh', ['-c', 'mount -t tmpfs -o size=12k tmpfs "$0"', fullDisk]).status !== 0) this.skip();
    try {
      const workers = rig.start({ ...pair, checkpointDirectory: 'small-disk', everySteps: 5, steps: 20 });
      const [zero] = await ends(workers);
      assert.equal(zero!.code, 17, outputs(workers));
      assert.match(zero!.termination?.message ?? '', /in small-disk: the disk is full; free space there/);
      assert.deepEqual(readdirSync(fullDisk), ['step-5.ckpt']);
    } finally {
      spawnSync('/bin/sh', ['-c', 'umount "$0"', fullDisk]);
    }
  });

  it('resume after a kill and end with the weights of an undisturbed run', async () => {
    const setting: GroupSetting = { ...pair, steps: 40, everySteps: 5, parameters: { batchMs: 20 } };
    const undisturbed = await digest({ ...setting, parameters: {}, checkpointDirectory: 'undisturbed' });
    rig.forgetReports();
    const first = rig.start(setting);
    await first[0]!.says(/step-10\.ckpt/);
    first[1]!.signal('SIGKILL');
    await ends(first);
    const [newest, before] = readdirSync(path.join(rig.directory, 'checkpoints'))
      .map((name) => Number(/\d+/.exec(name)))
      .sort((a, b) => b - a);
    truncateSync(path.join(rig.directory, 'checkpoints', `step-${newest}.ckpt`), 500);
    const second = rig.start({ ...setting, attempt: 2 });
    await codes(second, [0, 0]);
    assert.match(second[0]!.output, new RegExp(`step-${newest}\\.ckpt is not used: truncated`));
    assert.match(second[0]!.output, new RegExp(`resumes from the checkpoint of step ${before}`));
    assert.deepEqual(new Set(rig.reports(2).map(({ weightsDigest }) => weightsDigest)), new Set([undisturbed]));
  });

  it('end after one common step when asked, lose nothing, and go on from there', async () => {
    const setting: GroupSetting = { ...pair, steps: 100, everySteps: 1000, parameters: { batchMs: 20 } };
    const undisturbed = await digest({ ...setting, parameters: {}, checkpointDirectory: 'undisturbed' });
    const first = rig.start(setting);
    await started(first);
    first[1]!.signal('SIGTERM');
    const all = await codes(first, [10, 143]);
    const step = /rank 1 was asked to end, so all ranks ended after step (\d+)/.exec(
      all[0]!.termination?.message ?? '',
    );
    assert.ok(Number(step?.[1]) < 100, all[0]!.termination?.message);
    const second = rig.start({ ...setting, attempt: 2 });
    await second[0]!.says(new RegExp(`resumes from the checkpoint of step ${step?.[1]}\\b`));
    await started(second);
    for (const worker of second) worker.signal('SIGTERM');
    await codes(second, [143, 143]);
    assert.equal(await digest({ ...setting, attempt: 3, parameters: {} }), undisturbed);
  });

  it('give a rank without the checkpoint the state of rank 0', async () => {
    const setting: GroupSetting = { worldSize: 2, steps: 10 };
    await digest(setting);
    const config = rig.config({ ...setting, attempt: 2, steps: 14 });
    const hosts = [1, 2].map((n) => `127.${200 + (process.pid % 50)}.2.${n}`);
    const peers = hosts.map((host) => `${host}:29600`);
    const workers = hosts.map((host, rank) =>
      rig.startOne(
        { ...config, peers, checkpoint: { ...config.checkpoint, directory: rank === 0 ? 'checkpoints' : 'elsewhere' } },
        rank,
        host,
        {},
      ),
    );
    await codes(workers, [0, 0]);
    assert.match(workers[1]!.output, /takes rank 0's state of step 10/);
    const digests = rig.reports(2).map(({ weightsDigest }) => weightsDigest);
    assert.equal(digests[0], digests[1]);
  });

  it('refuse a rank of an attempt that is over', async () => {
    const config = rig.config({ ...long, worldSize: 2, attempt: 2 });
    const hosts = [1, 2, 3].map((n) => `127.${200 + (process.pid % 50)}.3.${n}`);
    const peers = hosts.slice(0, 2).map((host) => `${host}:29600`);
    const chief = rig.startOne({ ...config, peers }, 0, hosts[0]!, {});
    await chief.says(/engine wasm/);
    const stale = rig.startOne({ ...config, peers, job: { ...config.job, attempt: 1 } }, 1, hosts[2]!, {});
    const { code, termination } = await stale.ended;
    assert.equal(code, 16, stale.output);
    assert.match(termination?.message ?? '', /attempt 1 is over/);
    const right = rig.startOne({ ...config, peers }, 1, hosts[1]!, {});
    await started([chief, right]);
  });

  it('end when whoever started them is gone', async () => {
    const workers = rig.start({ ...long, ...pair });
    await started(workers);
    for (const worker of workers) worker.closeStdin();
    const closedMs = performance.now();
    for (const { atMs } of await ends(workers)) assert.ok(atMs - closedMs < 2000);
  });

  it('work alone as well', async () => {
    const alone = await digest({ worldSize: 1, globalBatchSize: 12, program: small });
    assert.match(alone ?? '', /^[0-9a-f]{64}$/);
  });
});
