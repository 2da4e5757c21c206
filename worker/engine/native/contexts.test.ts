import assert from 'node:assert/strict';
import { env } from 'node:process';
import { Worker } from 'node:worker_threads';
import { stagingProblem } from './staged.ts';

const module = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);

/** Trains mnist on an engine of its own, and says a digest of every step's loss and of the weights at the end. */
const training = `
  import { createHash } from 'node:crypto';
  import { parentPort, workerData } from 'node:worker_threads';
  import { buildTraining } from ${module('../../compute/build.ts')};
  import { loopback } from ${module('../../compute/loopback.ts')};
  import { runTraining } from ${module('../../compute/run.ts')};
  import { loadBuiltin } from ${module('../../program/load.ts')};
  import { parseParameters } from ${module('../../program/parameters.ts')};
  import { openEngine } from ${module('../open.ts')};
  const { seed, steps } = workerData;
  const engine = await openEngine('native');
  const program = await loadBuiltin('mnist');
  const parameters = parseParameters(program, {});
  const asked = { program, parameters, batchSize: 32, seed };
  const training = await buildTraining({ ...asked, recycling: true, engine });
  const digest = createHash('sha256');
  const { state } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 0,
    worldSize: 1,
    steps,
    checkpointEverySteps: Number.MAX_SAFE_INTEGER,
    clock: () => performance.now(),
    post: (message) => message.kind === 'step' && digest.update(String(message.loss)),
    stopAfter: () => undefined,
  });
  for (const { data } of state.tensors) digest.update(data);
  engine.dispose();
  parentPort.postMessage(digest.digest('hex'));`;

function train(seed: number, threads: number): Promise<string> {
  const url = new URL(`data:text/javascript,${encodeURIComponent(training)}`);
  const options = { workerData: { seed, steps: 40 }, env: { ...env, HAYATE_NATIVE_THREADS: `${threads}` } };
  const worker = new Worker(url, options);
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the training ended with ${code} and said nothing`)));
  });
}

describe('two contexts of the native engine in one process', () => {
  for (const threads of [1, 2]) {
    it(`train at once to the bits of a training alone, each on ${threads} thread(s)`, async function () {
      this.timeout(60_000);
      const problem = stagingProblem(env, 'cpu');
      if (problem !== undefined) {
        console.log(`      left out: ${problem}`);
        this.skip();
      }
      const alone = [await train(1, threads), await train(2, threads)];
      assert.notEqual(alone[0], alone[1]);
      assert.deepEqual(await Promise.all([train(1, threads), train(2, threads)]), alone);
      assert.deepEqual(await Promise.all([train(1, threads), train(1, threads)]), [alone[0], alone[0]]);
    });
  }
});
