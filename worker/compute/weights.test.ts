import assert from 'node:assert/strict';
import type { Exchange } from '../communication/exchange.ts';
import type { Engine } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import type { Variable } from '../graph/graph.ts';
import { buildTraining } from './build.ts';
import { loopback } from './loopback.ts';
import type { FromCompute } from './messages.ts';
import { NonFiniteError } from './non-finite.ts';
import { runTraining } from './run.ts';
import { plain } from './small-programs.ts';
import { Weights } from './weights.ts';

/** `engine` as one that computes while it goes on: an update that is not finite is known only once a read has waited for it. */
function tellingLate(engine: Engine): Engine {
  let met: number | undefined;
  let known: number | undefined;
  const late: Partial<Engine> = {
    update: (variable, slots, sum, scale, step, tag) => {
      if (!engine.update(variable, slots, sum, scale, step, tag)) met = tag;
      return true;
    },
    read: (handle) => {
      known ??= met;
      return engine.read(handle);
    },
    failedUpdate: () => known,
  };
  return new Proxy(engine, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in late ? late : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('Weights', () => {
  it('lie on the engine as their variables are stored, slots and sums alike, and are logical in a state', async () => {
    const engine = await openEngine('wasm');
    const shape = [1, 2, 1, 3]; // height, width, in, out
    const variable: Variable = { index: 0, name: 'w', value: 0, shape, layer: 1, kind: 'trained', contribution: 1 };
    const state = {
      step: 0,
      tensors: [
        { name: 'w', shape, data: Float32Array.of(1, 2, 3, 4, 5, 6) },
        { name: 'w/momentum', shape, data: Float32Array.of(10, 20, 30, 40, 50, 60) },
      ],
    };
    const settings = { kind: 'momentum', learningRate: 1, momentum: 1 } as const;
    const weights = new Weights(engine, [{ ...variable, stored: 'OHWI' }], settings, 1, state);
    assert.deepEqual(weights.save(0), state);
    assert.deepEqual(weights.handleOf(0).shape, [3, 1, 2, 1]);
    assert.deepEqual([...engine.read(weights.handleOf(0))], [1, 4, 2, 5, 3, 6]);
    weights.update(0, Float32Array.of(0.1, 0.4, 0.2, 0.5, 0.3, 0.6), 0);
    const [values, momentum] = weights.save(1).tensors.map(({ data }) => [...data].map((x) => Number(x.toFixed(3))));
    assert.deepEqual(momentum, [10.1, 20.2, 30.3, 40.4, 50.5, 60.6]);
    assert.deepEqual(values, [-9.1, -18.2, -27.3, -36.4, -45.5, -54.6]);
    weights.free();
    assert.equal(engine.liveBytes(), 0);
  });
});

describe('Weights on an engine that tells late of an update that was not finite', () => {
  const build = async () => {
    const engine = tellingLate(await openEngine('wasm'));
    return buildTraining({ program: plain, parameters: {}, batchSize: 8, seed: 7, recycling: true, engine });
  };

  it('are not saved: the copy is refused, with the gradient and the step', async () => {
    const { request, graph, optimizer, initial } = await build();
    const weights = new Weights(request.engine, graph.variables, optimizer, 1, initial);
    const { index, name, shape } = graph.variables[1]!;
    const sum = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(Number.NaN);
    assert.equal(weights.save(4).step, 4);
    weights.update(index, sum, 4);
    weights.check(4); // nothing is known yet
    assert.throws(
      () => weights.save(5),
      (error: unknown) =>
        error instanceof NonFiniteError && error.message.includes(`gradient of ${name}`) && error.step === 4,
    );
    weights.free();
  });

  it('end a run before it posts them as a snapshot', async () => {
    const training = await build();
    const exchange = loopback(training.buckets);
    let submitted = 0;
    const poisoned: Exchange = {
      ...exchange,
      submit: (bucket) => {
        exchange.submit(bucket);
        submitted += 1;
        if (submitted === 3 * training.buckets.length) exchange.sum(bucket).fill(Number.NaN); // last of step 3
      },
    };
    const posted: FromCompute[] = [];
    const running = runTraining({
      training,
      exchange: poisoned,
      state: training.initial,
      rank: 0,
      worldSize: 1,
      steps: 9,
      checkpointEverySteps: 3,
      clock: () => performance.now(),
      post: (message) => void posted.push(message),
      stopAfter: () => undefined,
    });
    await assert.rejects(running, NonFiniteError);
    assert.deepEqual(
      posted.map((message) => (message.kind === 'step' ? message.step : message.kind)),
      [1, 2, 3],
    );
  });
});
