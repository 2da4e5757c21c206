import assert from 'node:assert/strict';
import { env } from 'node:process';
import type { Engine, EngineName, Handle, Place } from '../engine/engine.ts';
import { stagingProblem } from '../engine/native/staged.ts';
import { tested } from '../engine/native/tested.ts';
import { openEngine } from '../engine/open.ts';
import { plannedReuse } from '../memory/planned-reuse.ts';
import mnist from '../program/builtin/mnist.ts';
import type { TrainingProgram } from '../program/define.ts';
import { buildTraining } from './build.ts';
import { loopback } from './loopback.ts';
import type { StepDone } from './messages.ts';
import { runTraining } from './run.ts';

/** Trains mnist on an engine that says what `placeOf` does of where buffers lie. */
async function train(engine: Engine, placeOf: Engine['placeOf'] = (handle) => engine.placeOf(handle)) {
  let asked = 0;
  const watched = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'placeOf')
        return (handle: Handle) => {
          asked += 1;
          return placeOf(handle);
        };
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const program = mnist as unknown as TrainingProgram;
  const request = { program, parameters: { learningRate: 0.01 }, batchSize: 128, seed: 7, recycling: true };
  const training = await buildTraining({ ...request, engine: watched });
  const steps: StepDone[] = [];
  await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 1,
    worldSize: 1,
    steps: 6,
    checkpointEverySteps: 1000,
    clock: () => performance.now(),
    post: (message) => void (message.kind === 'step' && steps.push(message)),
    stopAfter: () => undefined,
  });
  return { training, steps, asked };
}

describe('a watched step', () => {
  for (const name of ['wasm', 'native'] as const satisfies readonly EngineName[]) {
    it(`of mnist on the ${name} engine reuses memory as planned, and no two live buffers overlap`, async function () {
      const problem = name === 'native' ? stagingProblem(env, tested.device) : undefined;
      if (problem !== undefined) {
        console.log(`      left out: ${problem}`);
        this.skip();
      }
      const engine = await openEngine(name, name === 'native' ? tested : undefined);
      const { training, steps } = await train(engine);
      const watched = steps.filter(({ reuse }) => reuse !== undefined);
      assert.deepEqual(
        watched.map(({ step }) => step),
        [3],
      );
      const { plannedBytes, hitBytes, overlap } = watched[0]!.reuse!;
      assert.equal(plannedBytes, plannedReuse(training.graph, training.plan.steady.events).plannedBytes);
      assert.ok(hitBytes > 0 && hitBytes <= plannedBytes, `${hitBytes} of ${plannedBytes} bytes`);
      assert.equal(overlap, undefined);
      for (const { warning } of steps) assert.doesNotMatch(warning ?? '', /alive/); // a GPU may hold more than planned
      engine.dispose();
    });
  }

  it('asks for the place of each handle of that one step, and of what was alive before', async () => {
    const { training, asked } = await train(await openEngine('wasm'));
    const { nodes, feeds, draws, variables, constants } = training.graph;
    const outputs = nodes.reduce((sum, node) => sum + node.outputs.length, 0);
    assert.equal(asked, outputs + feeds.length + draws.length + variables.length + constants.length);
  });

  it('is said to be broken, once, where the engine puts two live buffers into the same memory', async () => {
    const places = new Map<object, Place>();
    const everythingAtOnce = (handle: Handle): Place => {
      const place = places.get(handle.buffer) ?? { address: 4096, bytes: 64 };
      places.set(handle.buffer, place);
      return place;
    };
    const { steps } = await train(await openEngine('wasm'), everythingAtOnce);
    assert.deepEqual(
      steps.flatMap(({ step, warning }) => (warning === undefined ? [] : [step])),
      [3],
    );
    assert.match(
      steps[2]!.warning!,
      /^memory: .*kernel.* shared 64 bytes while both were alive: do not trust this run/,
    );
  });

  it('says nothing of reuse where the engine has no addresses', async () => {
    const { steps } = await train(await openEngine('wasm'), () => undefined);
    assert.deepEqual(
      steps.flatMap(({ reuse, warning }) => reuse ?? warning ?? []),
      [],
    );
  });
});
