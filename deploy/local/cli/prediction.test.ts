import assert from 'node:assert/strict';
import { openEngine } from '@hayate/worker/engine/open.ts';
import { loadBuiltin } from '@hayate/worker/program/load.ts';
import { parseParameters } from '@hayate/worker/program/parameters.ts';
import { figuresOf, type Prediction, predictionEvent, predictionLines } from './prediction.ts';

const mib = 2 ** 20;
const onCpu: Prediction = {
  name: 'vgg',
  namespace: 'default',
  workers: 2,
  batchSize: 64,
  globalBatchSize: 128,
  settings: { device: 'cpu', precision: 'float32' },
  engine: 'wasm',
  parameters: 1000,
  layers: 3,
  peakBytes: 100 * mib,
  baseBytes: 10 * mib,
  peakAt: 'Conv2D → [64, 8] (layer 1, forward)',
  workspaceBytes: 0,
  allocatedBytes: 160 * mib,
  reusedBytes: 80 * mib,
  choices: [],
  stockPeakBytes: 400 * mib,
};
const onGpu: Prediction = { ...onCpu, engine: 'native', settings: { device: 'gpu', precision: 'tf32' } };

const text = (prediction: Prediction) => predictionLines(prediction).join('\n');

describe('predictionLines', () => {
  it('say where and how precisely a job computes, and what a worker holds', () => {
    assert.deepEqual(predictionLines(onCpu), [
      'vgg: 2 workers, each 64 of 128 samples a step',
      '  network   1000 parameters in 3 layers',
      '  computes  on the CPU, products in float32, engine wasm',
      '  memory    100 MiB predicted at the peak of a worker',
      '            · at Conv2D → [64, 8] (layer 1, forward)',
      '            · 10.0 MiB of it weights, optimizer state and constants',
      '            · 160 MiB made in a step, 80.0 MiB (50.0 %) of it in memory that the step has freed',
      '            stock TensorFlow.js would need 400 MiB: 75.0 % saved',
    ]);
    assert.match(text(onGpu), /computes {2}on a GPU, products in TF32 \(factors rounded to 10 bits/);
  });

  it('do not hide what is not counted: workspaces unless given, and kernels where the engine is not here', () => {
    assert.match(
      text(onGpu),
      /without {3}workspaces and layout of convolutions, chosen on the GPU; --workspace-mib N adds the largest/,
    );
    assert.doesNotMatch(text(onGpu), /from shapes alone/);
    const given = text({ ...onGpu, workspaceBytes: 256 * mib });
    assert.match(given, /356 MiB predicted at the peak of a worker, 256 MiB of it the largest workspace/);
    assert.doesNotMatch(given, /layout of convolutions/);
    const chosen = text({ ...onGpu, choices: ['pictures lie in NHWC'] });
    assert.match(chosen, /computes.*\n +· pictures lie in NHWC\n/);
    assert.doesNotMatch(chosen, /layout of convolutions/);
    assert.match(text({ ...onGpu, engine: undefined }), /counted from shapes alone, without the engine/);
  });

  it('leave out the comparison where TensorFlow.js cannot train the program', () => {
    assert.doesNotMatch(text({ ...onCpu, stockPeakBytes: 0 }), /stock/);
  });
});

describe('predictionEvent', () => {
  it('has the whole peak, and null for an engine that is not here', () => {
    assert.deepEqual(predictionEvent({ ...onGpu, engine: undefined, workspaceBytes: mib }), {
      event: 'planned',
      job: 'vgg',
      namespace: 'default',
      workers: 2,
      batchSize: 64,
      globalBatchSize: 128,
      device: 'gpu',
      precision: 'tf32',
      engine: null,
      parameters: 1000,
      layers: 3,
      peakAt: 'Conv2D → [64, 8] (layer 1, forward)',
      choices: [],
      memory: {
        predictedPeakBytes: 101 * mib,
        baseBytes: 10 * mib,
        workspaceBytes: mib,
        allocatedBytes: 160 * mib,
        plannedReuseBytes: 80 * mib,
        stockPeakBytes: 400 * mib,
      },
    });
  });
});

describe('figuresOf', () => {
  it('counts what kernels hold for themselves where there is an engine, and only outputs where there is none', async () => {
    const program = await loadBuiltin('mnist');
    const parameters = parseParameters(program, {});
    const request = { program, parameters, batchSize: 16, seed: 1, recycling: true };
    const engine = await openEngine('wasm');
    const [exact, fromShapes] = [await figuresOf(request, engine, false), await figuresOf(request, undefined, false)];
    engine.dispose();
    assert.equal(exact.parameters, 11_274);
    assert.equal(exact.baseBytes, fromShapes.baseBytes);
    assert.ok(fromShapes.baseBytes < fromShapes.peakBytes && fromShapes.peakBytes <= exact.peakBytes);
    const keeping = await figuresOf({ ...request, recycling: false }, undefined, false);
    assert.ok(keeping.peakBytes > fromShapes.peakBytes);
    assert.equal(keeping.allocatedBytes, fromShapes.allocatedBytes);
    assert.ok(keeping.reusedBytes === 0 && fromShapes.reusedBytes > 0);
  });
});
