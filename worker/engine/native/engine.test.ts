import assert from 'node:assert/strict';
import { env } from 'node:process';
import { everything, rectified } from '../../compute/small-programs.ts';
import { captureTraining } from '../../graph/capture.ts';
import { runGraph } from '../../graph/run-graph.ts';
import mnist from '../../program/builtin/mnist.ts';
import type { TrainingProgram } from '../../program/define.ts';
import { engineContract } from '../contract.ts';
import type { HostData, OptimizerStep } from '../engine.ts';
import { openEngine } from '../open.ts';
import { slotNamesOf } from '../optimizer.ts';
import { generator } from '../random.ts';
import { stagingProblem } from './staged.ts';
import { tested } from './tested.ts';

/**
 * Largest difference of a gradient of a whole program between engines, relative to its largest element, which counts as
 * 0.02 at least: a bias ahead of batch normalisation has a gradient of 0, and what is computed is rounding.
 */
const tolerance = 1e-4;

const optimizers: readonly OptimizerStep[] = [
  { kind: 'sgd', learningRate: 0.1 },
  { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: false },
  { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
  { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step: 3 },
];

describe(`native engine on the ${tested.device}`, () => {
  before(function () {
    const problem = stagingProblem(env, tested.device);
    if (problem === undefined) return;
    console.log(`      left out: ${problem}`);
    this.skip();
  });

  engineContract(() => openEngine('native', tested));

  for (const step of optimizers) {
    it(`updates by ${step.kind} to the bits of the wasm engine`, async () => {
      const random = generator(9);
      const numbers = () => Float32Array.from({ length: 1003 }, () => random() * 4 - 2);
      const [start, sum, ...slots] = [
        numbers(),
        numbers(),
        ...slotNamesOf(step.kind).map(() => numbers().map(Math.abs)),
      ];
      const results: HostData[][] = [];
      for (const name of ['native', 'wasm'] as const) {
        const engine = await openEngine(name, name === 'native' ? tested : undefined);
        const handles = [start, ...slots].map((data) => engine.upload(data, [data.length], 'float32'));
        assert.equal(engine.update(handles[0]!, handles.slice(1), sum, 0.25, step, 1), true);
        results.push(handles.map((handle) => engine.read(handle)));
        for (const handle of handles) engine.free(handle);
      }
      assert.deepEqual(results[0], results[1]);
    });
  }

  it('refuses what was freed, and what lies on no engine of its kind', async () => {
    const engine = await openEngine('native', tested);
    const handle = engine.upload(Float32Array.of(1), [1], 'float32');
    engine.free(handle);
    assert.throws(() => engine.read(handle), { name: 'EngineError', code: 'kernelFailed' });
    assert.throws(() => engine.free(handle), { name: 'EngineError' });
    engine.dispose();
    assert.throws(() => engine.upload(Float32Array.of(1), [1], 'float32'), { name: 'EngineError' });
  });

  it('holds nothing after a kernel that failed half-way', async () => {
    const engine = await openEngine('native', tested);
    const [a, b] = [
      [2, 3],
      [3, 2],
    ].map((shape) => engine.upload(new Float32Array(6), shape, 'float32'));
    const inputs = { a: 0, b: 1, bias: 2 };
    const attrs = { transposeA: false, transposeB: false, activation: 'nosuch' };
    const node = { id: 0, kernel: '_FusedMatMul', inputs, attrs, outputs: [], layer: 1, role: 'forward' } as const;
    assert.throws(() => engine.run(node, { a: a!, b: b! }), { name: 'EngineError', code: 'kernelFailed' });
    assert.equal(engine.liveBytes(), 48);
    engine.dispose();
  });

  for (const [name, program] of Object.entries({ everything, rectified, mnist }) as [string, TrainingProgram][]) {
    it(`gives the loss and the gradients of the wasm engine for ${name}`, async () => {
      const { graph, initial } = await captureTraining({ program, parameters: {}, batchSize: 4, seed: 7 });
      const [batch] = program.data({
        parameters: {},
        rank: 0,
        worldSize: 1,
        batchSize: 4,
        seed: 3,
        startStep: 0,
      }) as Iterable<never>;
      const { x, y } = batch as unknown as Record<'x' | 'y', HostData>;
      const start = { variables: initial, feeds: { x, y }, seed: 1 };
      const [mine, theirs] = await Promise.all(
        (['native', 'wasm'] as const).map(async (engine) =>
          runGraph(await openEngine(engine, engine === 'native' ? tested : undefined), graph, start),
        ),
      );
      assert.ok(Math.abs(mine!.loss! - theirs!.loss!) <= tolerance * Math.abs(theirs!.loss!));
      const off = mine!.contributions.map((values, at) => distance(values, theirs!.contributions[at]!));
      assert.ok(Math.max(...off) <= tolerance, `gradients are off by ${Math.max(...off)}`);
    });
  }
});

function distance(a: HostData, b: HostData): number {
  let [worst, scale] = [0, 2e-2];
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return worst / scale;
}
