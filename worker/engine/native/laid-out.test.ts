import assert from 'node:assert/strict';
import { captureTraining } from '../../graph/capture.ts';
import type { Graph, ValueId } from '../../graph/graph.ts';
import { layOut } from '../../graph/layout.ts';
import { type BuiltinName, loadBuiltin } from '../../program/load.ts';
import { parseParameters } from '../../program/parameters.ts';
import { kernels } from './kernels/table.ts';
import { Ops } from './ops.ts';

/** Shapes that the native kernels of a GPU say they return for every node, counted without computing. */
function shapesOf(graph: Graph): (readonly number[])[][] {
  return graph.nodes.map(({ kernel, inputs, attrs }) => {
    const ops = new Ops(undefined, new Set(), 'gpu');
    const tensor = (id: ValueId) => ops.upload(new Float32Array(), graph.values[id]!);
    const given = Object.entries(inputs).map(([name, ids]) => {
      return [name, typeof ids === 'number' ? tensor(ids) : ids.map(tensor)] as const;
    });
    return [kernels.get(kernel)!(ops, Object.fromEntries(given), attrs)].flat().map(({ shape }) => shape);
  });
}

describe('native kernels in laid-out graphs', () => {
  for (const [name, imageSize] of [
    ['alexnet', 57],
    ['vgg16', 32],
    ['resnet50', 32],
  ] as const satisfies readonly (readonly [BuiltinName, number])[]) {
    for (const images of ['NHWC', 'NCHW'] as const) {
      it(`return what the graph of ${name} says in ${images}`, async () => {
        const program = await loadBuiltin(name);
        const parameters = parseParameters(program, { imageSize, width: 1 / 16, classes: 3 });
        const { graph } = await captureTraining({ program, parameters, batchSize: 2, seed: 1 });
        const laid = layOut(graph, images);
        const expected = laid.nodes.map(({ outputs }) => outputs.map((id) => [...laid.values[id]!.shape]));
        assert.deepEqual(
          shapesOf(laid).map((shapes) => shapes.map((shape) => [...shape])),
          expected,
        );
      });
    }
  }
});
