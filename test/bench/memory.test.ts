import assert from 'node:assert/strict';
import { type BuildRequest, buildTraining } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import type { FromCompute } from '../../worker/compute/messages.ts';
import { runTraining } from '../../worker/compute/run.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { stockPeakBytes } from '../../worker/graph/stock.ts';
import mnist from '../../worker/program/builtin/mnist.ts';
import type { TrainingProgram } from '../../worker/program/define.ts';
import vgg from './programs/vgg.ts';
import { runStock } from './stock-run.ts';

const programs: [string, TrainingProgram][] = [
  ['mnist', mnist as unknown as TrainingProgram],
  ['a small VGG', vgg],
];

describe('memory of a training step', () => {
  for (const [name, program] of programs) {
    const request = async (): Promise<BuildRequest> => {
      const engine = await openEngine('wasm');
      return { program, parameters: { learningRate: 0.01 }, batchSize: 4, seed: 42, recycling: true, engine };
    };

    it(`of ${name} is what the plan predicts, after every event and at the peak`, async () => {
      const training = await buildTraining(await request());
      const warnings: string[] = [];
      const { measuredPeakBytes } = await runTraining({
        training,
        exchange: loopback(training.buckets),
        state: training.initial,
        rank: 1,
        worldSize: 1,
        steps: 3,
        checkpointEverySteps: 2,
        clock: () => performance.now(),
        post: (message: FromCompute) => {
          if (message.kind === 'step') warnings.push(...(message.warning === undefined ? [] : [message.warning]));
        },
        stopAfter: () => undefined,
      });
      assert.deepEqual(warnings, []);
      assert.equal(measuredPeakBytes, training.plan.peak.bytes);
    });

    it(`of ${name} under TensorFlow.js's own tape is what its prediction says`, async () => {
      const asked = await request();
      const { peakBytes } = await runStock({ ...asked, steps: 2 });
      assert.equal(await stockPeakBytes(asked), peakBytes);
    });
  }

  it('is at least 60 % below stock for the small VGG', async () => {
    const request = { program: vgg, parameters: {}, batchSize: 16, seed: 42, recycling: true };
    const { plan } = await buildTraining({ ...request, engine: await openEngine('wasm') });
    assert.ok(plan.peak.bytes <= 0.4 * (await stockPeakBytes(request)));
  });
});
