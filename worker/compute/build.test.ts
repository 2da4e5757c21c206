import assert from 'node:assert/strict';
import type { Engine } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import type { TrainingProgram } from '../program/define.ts';
import { buildTraining, describeTraining } from './build.ts';
import { everything } from './small-programs.ts';

describe('buildTraining', () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine('wasm');
  });

  const build = async (changes: Partial<TrainingProgram> = {}, batchSize = 8, recycling = true) => {
    const program = { ...everything, ...changes };
    return await describeTraining(
      await buildTraining({ program, parameters: {}, batchSize, seed: 7, recycling, engine }),
    );
  };

  it('gives the same plan for the same program, however often it is built, and another for any other', async () => {
    const { planHash } = await build();
    assert.match(planHash, /^[0-9a-f]{64}$/);
    assert.equal((await build()).planHash, planHash);
    const others = [
      await build({}, 4),
      await build({ loss: 'meanSquaredError' }),
      await build({ optimizer: () => ({ kind: 'adam', learningRate: 0.0123 }) }),
      await build({
        model: (tf, parameters) => {
          const model = everything.model(tf, parameters);
          for (const layer of model.layers.slice(-1)) layer.trainable = false;
          return model;
        },
      }),
    ];
    assert.equal(new Set([planHash, ...others.map((other) => other.planHash)]).size, 5);
    assert.equal((await build({}, 8, false)).planHash, planHash, 'when a rank frees what is its own affair');
  });

  it('names the state by variable, with zeroed slots for what is trained and none for what the program averages', async () => {
    const { initial, buckets, parameters } = await build();
    assert.equal(initial.step, 0);
    const names = initial.tensors.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, data } of initial.tensors)
      if (/\/[mv]$/.test(name)) assert.ok(data.every((value) => value === 0));
    const averaged = names.filter((name) => name.includes('moving'));
    assert.equal(averaged.length, 2);
    assert.equal(names.length, 3 * 6 + 2);
    const elements = buckets.flatMap(({ parts }) => parts).reduce((sum, { length }) => sum + length, 0);
    assert.equal(elements, parameters);
  });

  it('needs less than the tape of TensorFlow.js', async () => {
    const { predictedPeakBytes, stockPeakBytes } = await build();
    assert.ok(predictedPeakBytes < stockPeakBytes);
  });
});
