import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { WorkerRig } from '../e2e/worker-group.ts';
import type { BenchDocument } from './document.ts';
import type { TrainedRank } from './rank-messages.ts';
import { rankEnvironment } from './train-world.ts';
import { summaryOfWorld } from './train-world-summary.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

type Result = ReturnType<typeof summaryOfWorld> & { world: number; residentBatch: boolean };

const run = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'train', '--model', 'mnist', ...args]);

async function bench(...args: string[]): Promise<Result> {
  const { stdout } = await run(...args, '--json');
  const { bench: name, results } = JSON.parse(stdout.trim().split('\n').at(-1)) as BenchDocument<Result>;
  assert.equal(name, 'train-world');
  return results[0] as Result;
}

describe('bench train --world', function () {
  this.timeout(60_000);

  it('trains ranks as processes of their own, to the very weights of a group of workers', async () => {
    const result = await bench('--world', '2', '--batch', '16', '--warm-up', '2', '--steps', '3');
    assert.deepEqual([result.world, result.identical, result.ranks.length], [2, true, 2]);
    assert.ok(result.stepSeconds > 0 && result.windowSeconds > 0 && result.exchangedBytes > 0);
    assert.equal(result.samplesPerSecond, 32 / result.stepSeconds);
    assert.equal(result.measuredPeakBytes, result.predictedPeakBytes);
    const rig = new WorkerRig();
    try {
      const workers = rig.start({ worldSize: 2, program: { builtin: 'mnist' }, globalBatchSize: 32, steps: 2 + 3 + 1 });
      const ended = await Promise.all(workers.map((worker) => worker.ended));
      assert.ok(ended.every(({ code }) => code === 0));
      assert.deepEqual(
        result.ranks.map(({ weightsDigest }) => weightsDigest),
        rig.reports(2).map(({ weightsDigest }) => weightsDigest),
      );
    } finally {
      await rig.close();
    }
  });

  it('takes one batch a rank for all steps where it is resident, another on every rank', async () => {
    const args = ['--world', '2', '--batch', '16', '--steps', '3'];
    const [fresh, resident] = [await bench(...args), await bench(...args, '--resident-batch')];
    assert.deepEqual([resident.residentBatch, resident.identical], [true, true]);
    assert.notEqual(resident.ranks[0]?.weightsDigest, fresh.ranks[0]?.weightsDigest);
    assert.notEqual(resident.ranks[0]?.loss, resident.ranks[1]?.loss);
    assert.equal(resident.measuredPeakBytes, resident.predictedPeakBytes);
  });

  it('says in one sentence what it cannot do', async () => {
    const refused = (args: string[], sentence: RegExp) =>
      assert.rejects(run(...args), (error: unknown) => {
        const { code, stderr } = error as { code: number; stderr: string };
        assert.match(stderr.trim(), sentence);
        return code === 2;
      });
    await refused(['--world', '0'], /^--world 0: a whole number from 1 to 64/);
    await refused(['--world', '2', '--engine', 'stock'], /^--engine stock has no exchange between ranks/);
  });
});

describe('rankEnvironment', () => {
  const gpu = { device: 'gpu', world: 2 } as const;
  const visible = (env: NodeJS.ProcessEnv, rank: number) => rankEnvironment(gpu, rank, env, 8)['CUDA_VISIBLE_DEVICES'];

  it('shows every rank one GPU: its number, or its share of those that are visible', () => {
    assert.deepEqual([visible({}, 0), visible({}, 1)], ['0', '1']);
    const given = { CUDA_VISIBLE_DEVICES: '3,GPU-7' };
    assert.deepEqual([visible(given, 0), visible(given, 1), visible(given, 2)], ['3', 'GPU-7', '']);
  });

  it('leaves GPUs alone for ranks on the CPU, and shares the cores among them', () => {
    const env = rankEnvironment({ device: 'cpu', world: 3 }, 1, { CUDA_VISIBLE_DEVICES: '0,1', A: 'b' }, 8);
    assert.deepEqual(env, { CUDA_VISIBLE_DEVICES: '0,1', A: 'b', HAYATE_NATIVE_THREADS: '2' });
    assert.equal(rankEnvironment(gpu, 0, { HAYATE_NATIVE_THREADS: '7' }, 8)['HAYATE_NATIVE_THREADS'], '7');
  });
});

describe('summaryOfWorld', () => {
  const rank = (seconds: number[], weightsDigest: string): TrainedRank => ({
    seconds,
    exposedSeconds: seconds.map((each) => each / 10),
    endedMs: seconds.map((_, i) => 1000 * i),
    loss: 1,
    weightsDigest,
    measuredPeakBytes: 8,
    allocatorPeakBytes: null,
    processPeakBytes: 9,
  });
  const asked = { steps: 3, warmUpSteps: 1, world: 2, batchSize: 4 };
  const plan = { worldSize: 2, order: 'Priority', chunkBytes: 64, creditBytes: 128, buckets: [] } as const;
  const summary = (...ranks: TrainedRank[]) => summaryOfWorld({ ranks, plan, predictedPeakBytes: 8 }, asked);

  it('takes of every step that counts the slowest rank, and the middle of those', () => {
    const { stepSeconds, windowSeconds, samplesPerSecond, ranks } = summary(
      rank([99, 1, 2, 3, 99], 'a'),
      rank([99, 5, 1, 1, 99], 'a'),
    );
    assert.deepEqual([stepSeconds, windowSeconds, samplesPerSecond], [3, 1, 8 / 3]);
    assert.deepEqual(
      ranks.map((each) => each.stepSeconds),
      [2, 1],
    );
  });

  it('sees weights that differ', () => {
    const steps = [1, 1, 1, 1, 1];
    assert.equal(summary(rank(steps, 'a'), rank(steps, 'a')).identical, true);
    assert.equal(summary(rank(steps, 'a'), rank(steps, 'b')).identical, false);
  });
});
