import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { captureTraining } from '../graph/capture.ts';
import type { Node, ValueId } from '../graph/graph.ts';
import { inputsOf } from '../graph/graph.ts';
import mnist from '../program/builtin/mnist.ts';
import { arbitraryStep } from './arbitrary-graph.ts';
import { orderNodes } from './order.ts';

describe('orderNodes', () => {
  it('runs the weight gradient of a layer before its input gradient', async () => {
    const parameters = { learningRate: 0.01 };
    const { graph } = await captureTraining({ program: mnist, parameters, batchSize: 4, seed: 1 });
    const order = orderNodes(graph).map(({ kernel }) => kernel);
    const convolution = (kernel: string) => order.flatMap((name, at) => (name === kernel ? [at] : []));
    const [filterOfSecond, filterOfFirst] = convolution('Conv2DBackpropFilter');
    const [inputOfSecond] = convolution('Conv2DBackpropInput');
    assert.ok(filterOfSecond! < inputOfSecond! && inputOfSecond! < filterOfFirst!, order.join(' '));
  });

  it('runs a weight gradient with the last gradient that it needs, ahead of the next one', () => {
    fc.assert(
      fc.property(arbitraryStep, ({ graph }) => {
        const order = orderNodes(graph);
        const place = new Map(order.map((node, at) => [node.id, at]));
        const spine = order.filter(({ role }) => role !== 'weightGradient');
        for (const { contribution } of graph.variables) {
          const producer = graph.nodes.find(({ outputs }) => outputs.includes(contribution)) as Node;
          if (producer.role !== 'weightGradient') continue;
          const needed = spine.filter((node) => ancestors(order, producer).has(node.id));
          const last = Math.max(-1, ...needed.map((node) => spine.indexOf(node)));
          const next = spine[last + 1];
          if (next === undefined || last === -1) continue;
          assert.ok(place.get(producer.id)! < place.get(next.id)!);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps forward as it was captured', () => {
    fc.assert(
      fc.property(arbitraryStep, ({ graph }) => {
        const forward = orderNodes(graph).filter(({ role }) => role === 'forward');
        assert.deepEqual(
          forward,
          graph.nodes.filter(({ role }) => role === 'forward'),
        );
      }),
    );
  });
});

function ancestors(nodes: readonly Node[], of: Node): Set<number> {
  const producers = new Map<ValueId, Node>(nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const found = new Set<number>();
  const visit = (node: Node): void => {
    for (const id of inputsOf(node)) {
      const producer = producers.get(id);
      if (producer === undefined || found.has(producer.id)) continue;
      found.add(producer.id);
      visit(producer);
    }
  };
  visit(of);
  return found;
}
