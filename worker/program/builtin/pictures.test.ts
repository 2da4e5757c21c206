import assert from 'node:assert/strict';
import { buildTraining } from '../../compute/build.ts';
import { loopback } from '../../compute/loopback.ts';
import { runTraining } from '../../compute/run.ts';
import { openEngine } from '../../engine/open.ts';
import { captureTraining } from '../../graph/capture.ts';
import type { Node } from '../../graph/graph.ts';
import { planStep } from '../../memory/plan.ts';
import type { Batch } from '../define.ts';
import { type BuiltinName, loadBuiltin } from '../load.ts';
import { parseParameters } from '../parameters.ts';

interface Expected {
  name: BuiltinName;
  trained: number;
  averaged: number;
  batchSize: number;
  /** Peak that the plan predicts where kernels hold nothing but their outputs and work on no input in place. */
  peakGiB: number;
  tiny: { imageSize: number; classes: number; width: number; learningRate: number };
}

const programs: Expected[] = [
  {
    name: 'alexnet',
    trained: 61_100_840,
    averaged: 0,
    batchSize: 128,
    peakGiB: 0.955,
    tiny: { imageSize: 57, classes: 2, width: 1 / 8, learningRate: 0.002 },
  },
  {
    name: 'vgg16',
    trained: 138_357_544,
    averaged: 0,
    batchSize: 64,
    peakGiB: 5.045,
    tiny: { imageSize: 32, classes: 2, width: 1 / 8, learningRate: 0.005 },
  },
  {
    name: 'resnet50',
    trained: 25_557_032,
    averaged: 53_120,
    batchSize: 64,
    peakGiB: 5.263,
    tiny: { imageSize: 32, classes: 2, width: 1 / 8, learningRate: 0.02 },
  },
];

describe('built-in programs for pictures', () => {
  for (const { name, trained, averaged, batchSize, peakGiB, tiny } of programs) {
    it(`${name} has ${trained} parameters, and ${peakGiB} GiB at batch ${batchSize}`, async function () {
      this.timeout(60_000);
      const program = await loadBuiltin(name);
      const { graph, initial } = await captureTraining({
        program,
        parameters: parseParameters(program, {}),
        batchSize,
        seed: 1,
      });
      const count = (kind: string) =>
        graph.variables
          .filter((variable) => variable.kind === kind)
          .reduce((sum, { index }) => sum + initial[index]!.length, 0);
      assert.deepEqual([count('trained'), count('averaged')], [trained, averaged]);
      const nodeBytes = ({ outputs }: Node) => outputs.reduce((sum, id) => sum + graph.values[id]!.bytes, 0);
      const plan = planStep({ graph, nodeBytes, buckets: [], optimizerSlots: 1, recycling: true });
      assert.equal(Number((plan.peak.bytes / 2 ** 30).toFixed(3)), peakGiB);
    });

    it(`${name} learns small pictures on the wasm engine, in the memory that was predicted`, async function () {
      this.timeout(60_000);
      const engine = await openEngine('wasm');
      const program = await loadBuiltin(name);
      const parameters = parseParameters(program, tiny);
      const training = await buildTraining({ program, parameters, batchSize: 8, seed: 3, recycling: true, engine });
      const losses: number[] = [];
      const warnings: string[] = [];
      const { measuredPeakBytes } = await runTraining({
        training,
        exchange: loopback(training.buckets),
        state: training.initial,
        rank: 1, // saves nothing
        worldSize: 1,
        steps: 16,
        checkpointEverySteps: 1000,
        clock: () => performance.now(),
        post: (message) => {
          if (message.kind !== 'step') return;
          losses.push(message.loss ?? Number.NaN);
          if (message.warning !== undefined) warnings.push(message.warning);
        },
        stopAfter: () => undefined,
      });
      assert.deepEqual(warnings, []);
      assert.equal(measuredPeakBytes, training.plan.peak.bytes);
      const mean = (from: number, to: number) => losses.slice(from, to).reduce((a, b) => a + b) / (to - from);
      assert.ok(mean(12, 16) < 0.8 * mean(0, 4), losses.join(', '));
    });
  }

  it('give each rank its slice of the same global batch, and go on at any step', async () => {
    const program = await loadBuiltin('resnet50');
    const parameters = parseParameters(program, { imageSize: 32, classes: 7 });
    const take = (rank: number, worldSize: number, batchSize: number, startStep: number, count: number) => {
      const batches = program.data({ parameters, rank, worldSize, batchSize, seed: 3, startStep }) as Iterable<Batch>;
      const taken: Batch[] = [];
      for (const batch of batches) if (taken.push(batch) === count) break;
      return taken;
    };
    const alone = take(0, 1, 80, 0, 3);
    const group = [0, 1, 2, 3].map((rank) => take(rank, 4, 20, 0, 3));
    alone.forEach(({ x, y }, step) => {
      const slices = group.map((rank) => rank[step]!);
      assert.deepEqual(
        slices.flatMap((slice) => [...slice.y]),
        [...y],
      );
      const joined = Buffer.concat(slices.map((slice) => bytesOf(slice)));
      assert.ok(joined.equals(bytesOf({ x, y })));
    });
    assert.deepEqual(take(0, 1, 80, 2, 1), alone.slice(2));
    assert.ok(alone[0]!.y.some((label) => label !== alone[0]!.y[0]));
    assert.ok(!bytesOf(alone[0]!).equals(bytesOf(alone[1]!)));
  });
});

function bytesOf({ x }: Batch): Buffer {
  const { buffer, byteOffset, byteLength } = x as Float32Array;
  return Buffer.from(buffer, byteOffset, byteLength);
}
