import assert from 'node:assert/strict';
import { env } from 'node:process';
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

  it('exit 15 where the engine is not staged, and say how to stage it', async () => {
    const nowhere = { HAYATE_ENGINE: 'native', XDG_CACHE_HOME: rig.directory };
    const [only] = rig.start({ worldSize: 1, env: nowhere });
    const { code, termination } = await only!.ended;
    assert.equal(code, 15, only!.output);
    assert.match(termination?.message ?? '', /npm run native -- cpu/);
  });
});
