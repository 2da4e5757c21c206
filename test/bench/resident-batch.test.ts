import assert from 'node:assert/strict';
import { buildTraining } from '../../worker/compute/build.ts';
import type { Engine, HostData } from '../../worker/engine/engine.ts';
import { openEngine } from '../../worker/engine/open.ts';
import mnist from '../../worker/program/builtin/mnist.ts';
import type { TrainingProgram } from '../../worker/program/define.ts';
import { withResidentBatch } from './resident-batch.ts';
import { trainAlone } from './train-alone.ts';

const parameters = { learningRate: 0.01 };

/** `engine`, and the lengths of all that was uploaded to it. */
function watched(engine: Engine): { engine: Engine; uploaded: number[] } {
  const uploaded: number[] = [];
  const upload: Engine['upload'] = (data: HostData, shape, dtype) => {
    uploaded.push(data.length);
    return engine.upload(data, shape, dtype);
  };
  const watching = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'upload') return upload;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { engine: watching, uploaded };
}

describe('a resident batch', () => {
  it('is uploaded once, and the ledger still equals the plan after every event', async () => {
    const { engine, uploaded } = watched(await openEngine('wasm'));
    const resident = withResidentBatch({ program: mnist as unknown as TrainingProgram, engine });
    const training = await buildTraining({ ...resident, parameters, batchSize: 16, seed: 1, recycling: true });
    const { exact, losses, peakBytes } = await trainAlone(training, 20);
    assert.equal(exact, true);
    assert.equal(peakBytes, training.plan.peak.bytes);
    assert.equal(uploaded.filter((length) => length === 16 * 28 * 28).length, 1);
    assert.ok((losses.at(-1) ?? Infinity) < 0.3 * (losses[0] as number), losses.join(', '));
    resident.engine.dispose();
  });
});
