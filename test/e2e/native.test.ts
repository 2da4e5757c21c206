import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { env } from 'node:process';
import { cachePaths } from '../../worker/engine/native/cache.ts';
import { cpuRelease } from '../../worker/engine/native/release.ts';
import { stagingProblem } from '../../worker/engine/native/staged.ts';
import { WorkerRig } from './worker-group.ts';

/** Where the cache with the staged engine is found. */
const places = Object.fromEntries(['HOME', 'XDG_CACHE_HOME'].flatMap((name) => (env[name] ? [[name, env[name]]] : [])));

describe('workers on the native engine', function () {
  this.timeout(90_000);
  let rig: WorkerRig;

  beforeEach(() => {
    rig = new WorkerRig();
  });
  afterEach(async () => await rig.close());

  it('train mnist on four ranks to the same bits, in the bytes that the plan predicts', async function () {
    const problem = stagingProblem(env);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    const workers = rig.start({
      worldSize: 4,
      program: { builtin: 'mnist' },
      globalBatchSize: 32,
      steps: 40,
      env: { ...places, HAYATE_ENGINE: 'native' },
    });
    const ended = await Promise.all(workers.map((worker) => worker.ended));
    assert.deepEqual(
      ended.map(({ code }) => code),
      [0, 0, 0, 0],
      workers.map(({ output }) => output).join('\n'),
    );
    const reports = rig.reports(4);
    assert.equal(new Set(reports.map(({ weightsDigest }) => weightsDigest)).size, 1);
    for (const { engine, memory } of reports) {
      assert.equal(engine, 'native');
      assert.equal(memory.measuredPeakBytes, memory.predictedPeakBytes);
    }
    const [first] = reports;
    assert.ok(first!.accuracy! > 0.5, `accuracy ${first!.accuracy}`);
  });

  it('exit 15 where no GPU answers, and say so themselves: nothing of TensorFlow comes before it', async function () {
    const problem = stagingProblem(env, 'gpu');
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    const [only] = rig.start({ worldSize: 1, device: 'gpu', env: { ...places, CUDA_VISIBLE_DEVICES: '' } });
    const { code, termination } = await only!.ended;
    assert.equal(code, 15, only!.output);
    assert.match(termination?.message ?? '', /the GPU cannot be used: .*npm run native -- doctor/);
    assert.doesNotMatch(only!.output, /^[EWIF]\d{4} /m);
  });

  it('exit 15 where the engine is not staged, and say how to stage it', async () => {
    const nowhere = { HAYATE_ENGINE: 'native', XDG_CACHE_HOME: rig.directory };
    const [only] = rig.start({ worldSize: 1, env: nowhere });
    const { code, termination } = await only!.ended;
    assert.equal(code, 15, only!.output);
    assert.match(termination?.message ?? '', /npm run native -- cpu/);
  });

  it('exit 15 where the engine that is staged cannot be loaded, and say what to remove', async () => {
    const { library, addonFolder, addon } = cachePaths({ XDG_CACHE_HOME: rig.directory }, cpuRelease);
    for (const folder of [library, addonFolder]) mkdirSync(folder, { recursive: true });
    writeFileSync(addon, 'half a downl');
    const [only] = rig.start({ worldSize: 1, env: { XDG_CACHE_HOME: rig.directory } });
    const { code, termination } = await only!.ended;
    assert.equal(code, 15, only!.output);
    assert.match(termination?.message ?? '', /cannot be loaded \(.*\); remove .* and run npm run native -- cpu/);
  });

  it('exit 15 where the job asks for a GPU and nothing is staged for one, whatever else could compute', async () => {
    const [only] = rig.start({ worldSize: 1, device: 'gpu', env: { XDG_CACHE_HOME: rig.directory } });
    const { code, termination } = await only!.ended;
    assert.equal(code, 15, only!.output);
    assert.deepEqual([termination?.class, termination?.reason], ['engineMissing', 'EngineMissing']);
    assert.match(termination?.message ?? '', /asks for a GPU.*npm run native -- gpu.*npm run native -- doctor/);
  });

  it('exit 2 where the environment contradicts a job that asks for a GPU, and say what to change', async () => {
    for (const env of [{ HAYATE_ENGINE: 'wasm' }, { HAYATE_DEVICE: 'cpu' }]) {
      const [only] = rig.start({ worldSize: 1, device: 'gpu', env: { XDG_CACHE_HOME: rig.directory, ...env } });
      const { code, termination } = await only!.ended;
      assert.equal(code, 2, only!.output);
      assert.match(termination?.message ?? '', new RegExp(`unset ${Object.keys(env)[0]}, or set workers.resourceName`));
    }
  });

  it('exit 2 where TF32 comes without a GPU', async () => {
    const [only] = rig.start({ worldSize: 1, precision: 'TF32' });
    const { code, termination } = await only!.ended;
    assert.equal(code, 2, only!.output);
    assert.match(termination?.message ?? '', /training\.precision: TF32 is computed by GPUs only/);
  });
});
