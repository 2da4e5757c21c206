import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { env } from 'node:process';
import type { TrainingState } from '../../checkpoint/state.ts';
import { buildTraining } from '../../compute/build.ts';
import { loopback } from '../../compute/loopback.ts';
import type { FromCompute } from '../../compute/messages.ts';
import { runTraining } from '../../compute/run.ts';
import { type BuiltinName, loadBuiltin } from '../../program/load.ts';
import { parseParameters } from '../../program/parameters.ts';
import { openEngine } from '../open.ts';
import { stagingProblem } from './staged.ts';
import { tested } from './tested.ts';

/** Some steps of a small network, with all gradients going to the host and back, or alone. */
async function train(name: BuiltinName, imageSize: number, alone: boolean) {
  const program = await loadBuiltin(name);
  const parameters = parseParameters(program, { imageSize, width: 1 / 16, classes: 10 });
  const engine = await openEngine('native', tested);
  const asked = { program, parameters, batchSize: 2, seed: 7, recycling: true, engine, alone };
  const training = await buildTraining(asked);
  const said: FromCompute[] = [];
  const { state } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 1,
    worldSize: 1,
    steps: 7,
    checkpointEverySteps: 1000,
    clock: () => performance.now(),
    post: (message) => void said.push(message),
    stopAfter: () => undefined,
  });
  engine.dispose();
  const losses = said.flatMap((message) => (message.kind === 'step' ? [message.loss] : []));
  return { digests: digestsOf(state), losses };
}

/** Digests of all tensors; a difference between these is told at once, one between millions of numbers is not. */
function digestsOf({ tensors }: TrainingState): string[] {
  return tensors.map(({ name, data }) => `${name} ${createHash('sha256').update(data).digest('hex')}`);
}

describe(`a training on the ${tested.device} whose gradients go to the host and come back`, () => {
  const deterministic = env['HAYATE_GPU_DETERMINISTIC'];
  before(function () {
    const problem = stagingProblem(env, tested.device);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    // Two trainings on a GPU may choose different algorithms otherwise, by what they measure.
    env['HAYATE_GPU_DETERMINISTIC'] = '1';
  });
  after(() => {
    if (deterministic === undefined) delete env['HAYATE_GPU_DETERMINISTIC'];
    else env['HAYATE_GPU_DETERMINISTIC'] = deterministic;
  });

  for (const [name, imageSize] of [
    ['alexnet', 67],
    ['vgg16', 32],
    ['resnet50', 32],
  ] as const) {
    it(`ends with the weights of ${name} trained alone, to the bit`, async function () {
      this.timeout(120_000);
      const [alone, handedOver] = [await train(name, imageSize, true), await train(name, imageSize, false)];
      assert.equal(alone.losses.length, 7);
      assert.notEqual(alone.losses[0], alone.losses[6]);
      assert.deepEqual(handedOver, alone);
    });
  }
});
