import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { buildTraining } from '../../worker/compute/build.ts';
import { hostFloat32 } from '../../worker/engine/engine.ts';
import { openEngine } from '../../worker/engine/open.ts';
import type { TrainingProgram } from '../../worker/program/define.ts';
import { chosenModels, type Model, trainingOf } from './models.ts';
import { withResidentBatch } from './resident-batch.ts';
import { runStockNode } from './stock-node-run.ts';
import { stockPaths } from './stock-tensorflow/paths.ts';
import { trainAlone } from './train-alone.ts';

/** Batch normalisation over few samples makes rounding visible after the first update, in any two engines. */
const models = [
  { values: { model: 'mnist', batch: '16' }, comparedSteps: 3 },
  { values: { model: 'vgg16', batch: '8', 'image-size': '32', width: '0.125' }, comparedSteps: 3 },
  { values: { model: 'resnet50', batch: '8', 'image-size': '64', width: '0.125' }, comparedSteps: 1 },
];

describe("TensorFlow.js's Node backend", () => {
  before(function () {
    if (existsSync(stockPaths(process.env, 'cpu').folder)) return;
    console.log('      skipped: it is not set up here; npm run bench -- stock-setup');
    this.skip();
  });

  for (const { values, comparedSteps } of models) {
    for (const isBatchResident of [false, true]) {
      const which = isBatchResident ? 'the same batch' : 'a new batch';
      it(`loses in ${values.model} with ${which} every step what the wasm engine does`, async function () {
        this.timeout(30_000);
        const asked = ofRank0(await trainingOf(chosenModels(values)[0] as Model, values));
        const opened = { program: asked.program, engine: await openEngine('wasm') };
        const request = { ...asked, ...(isBatchResident ? withResidentBatch(opened) : opened), recycling: true };
        const ours = await trainAlone(await buildTraining(request), 2, 1);
        const run = { ...asked, ...hostFloat32, warmUpSteps: 1, steps: 2, isBatchResident };
        const stock = await runStockNode(run);
        assert.equal(stock.losses.length, 3);
        for (const [step, loss] of stock.losses.slice(0, comparedSteps).entries()) {
          const other = ours.losses[step] as number;
          assert.ok(Math.abs(loss - other) < 1e-5 * other, `${stock.losses.join(', ')}\n${ours.losses.join(', ')}`);
        }
        assert.ok(stock.windowSeconds > 0);
      });
    }
  }
});

/** The same batches whatever rank a runner takes itself for. */
function ofRank0<T extends { program: TrainingProgram }>(asked: T): T {
  const { program } = asked;
  return { ...asked, program: { ...program, data: (context) => program.data({ ...context, rank: 0 }) } };
}
