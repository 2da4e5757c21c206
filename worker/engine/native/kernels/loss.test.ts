import assert from 'node:assert/strict';
import { env } from 'node:process';
import type { Node } from '../../../graph/graph.ts';
import { loadAddon } from '../addon.ts';
import { NativeEngine } from '../engine.ts';
import { opsInPlace } from '../in-place.ts';
import { cpuRelease } from '../release.ts';
import { sessionConfig } from '../session-config.ts';
import { stagingProblem } from '../staged.ts';

const logits = Float32Array.of(2, -1, 0.5, 0, 3, -2, 1, 1, 1);
const labelsOf = {
  'class indices': [Int32Array.of(2, 0, 1), [3], 'int32'],
  'rows of weights': [Float32Array.of(0, 0, 1, 1, 0, 0, 0, 0.5, 0.25), [3, 3], 'float32'],
} as const;

describe('cross entropy where every run must give the same bits', () => {
  before(function () {
    const problem = stagingProblem(env);
    if (problem === undefined) return;
    console.log(`      left out: ${problem}`);
    this.skip();
  });

  /** Loss and gradient, and that nothing is left. */
  function computed(deterministic: boolean, [labels, shape, dtype]: (typeof labelsOf)[keyof typeof labelsOf]) {
    const addon = loadAddon(cpuRelease, env);
    const context = addon.createContext(sessionConfig({ opThreads: 1 }), '/device:CPU:0', 1);
    const engine = new NativeEngine(addon, context, opsInPlace(addon, context), 'cpu', [], deterministic);
    const inputs = {
      dy: engine.upload(Float32Array.of(0.5), [], 'float32'),
      logits: engine.upload(logits, [3, 3], 'float32'),
      labels: engine.upload(labels, shape, dtype),
    };
    const before = engine.liveBytes();
    const values = ['SoftmaxCrossEntropy', 'SoftmaxCrossEntropyGrad'].flatMap((kernel) => {
      const node: Node = { id: 0, kernel, inputs: {}, attrs: {}, outputs: [], layer: 1, role: 'forward' };
      const [made] = engine.run(node, inputs);
      const numbers = [...engine.read(made!)];
      engine.free(made!);
      return numbers;
    });
    assert.equal(engine.liveBytes(), before);
    engine.dispose();
    return values;
  }

  for (const [what, labels] of Object.entries(labelsOf)) {
    it(`is what it is otherwise, for ${what}`, () => {
      const [composed, usual] = [computed(true, labels), computed(false, labels)];
      assert.equal(composed.length, 10);
      composed.forEach((value, at) => {
        assert.ok(Math.abs(value - usual[at]!) < 1e-6, `${value} where ${usual[at]} is right`);
      });
    });
  }
});
