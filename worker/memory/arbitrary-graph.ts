import * as fc from 'fast-check';
import { planBuckets } from '../communication/schedule/buckets.ts';
import type { Bucket } from '../communication/schedule/types.ts';
import type { Graph, Node, Value, ValueId, Variable } from '../graph/graph.ts';

/** A graph of random shape that no model has to have, for tests of the planner; and what else it is planned with. */
export interface ArbitraryStep {
  graph: Graph;
  buckets: Bucket[];
  nodeBytes: (node: Node) => number;
  optimizerSlots: number;
}

const size = fc.integer({ min: 1, max: 64 });
/**
 * Chooses among what exists, from 0 (the first) to below 1 (the newest). Not fc.double: most doubles are next to 0, and
 * everything would be made of the first value.
 */
export const choice = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1000);

const nodeShape = fc.record({
  inputs: fc.array(choice, { minLength: 1, maxLength: 3 }),
  outputs: fc.array(size, { minLength: 1, maxLength: 2 }),
  alias: fc.boolean(),
  temporaries: fc.integer({ min: 0, max: 512 }),
  weightGradient: fc.boolean(),
});

export const arbitraryStep: fc.Arbitrary<ArbitraryStep> = fc
  .record({
    feeds: fc.array(size, { minLength: 1, maxLength: 2 }),
    draws: fc.array(size, { maxLength: 2 }),
    constants: fc.array(size, { maxLength: 2 }),
    variables: fc.array(
      fc.record({ elements: size, layer: fc.integer({ min: 1, max: 4 }), averaged: fc.boolean(), at: choice }),
      { minLength: 1, maxLength: 5 },
    ),
    forward: fc.array(nodeShape, { minLength: 1, maxLength: 10 }),
    backward: fc.array(nodeShape, { minLength: 1, maxLength: 14 }),
    bucketBytes: fc.constantFrom(64, 256, 4096),
    mostBytes: fc.constantFrom(64, 128, 4096),
    optimizerSlots: fc.integer({ min: 0, max: 2 }),
  })
  .map((shape) => {
    const values: Value[] = [];
    const nodes: Node[] = [];
    const temporaries: number[] = [];
    const add = (elements: number, aliasOf?: ValueId): ValueId => {
      const id = values.length;
      const bytes = aliasOf === undefined ? 4 * elements : 0;
      values.push({ id, shape: [elements], dtype: 'float32', bytes, ...(aliasOf !== undefined && { aliasOf }) });
      return id;
    };
    const feeds = shape.feeds.map((elements, index) => ({ name: `x${index}`, value: add(elements) }));
    const draws = shape.draws.map((elements) => {
      return { value: add(elements), distribution: { kind: 'uniform', min: 0, max: 1 } as const };
    });
    const constants = shape.constants.map((elements) => ({ value: add(elements), data: new Float32Array(elements) }));
    const weights = shape.variables.map(({ elements }) => add(elements));
    const made: ValueId[] = [];
    for (const [at, node] of [...shape.forward, ...shape.backward].entries()) {
      const inputs = node.inputs.map((chosen) => Math.floor(chosen * values.length));
      const source = inputs[0] as ValueId;
      const root = values[source]?.aliasOf ?? source;
      const outputs = node.alias ? [add(1, root)] : node.outputs.map((elements) => add(elements));
      made.push(...outputs);
      const backward = node.weightGradient ? 'weightGradient' : 'inputGradient';
      nodes.push({
        id: at,
        kernel: node.alias ? 'Reshape' : 'Any',
        inputs: node.alias ? { x: source } : { list: inputs },
        attrs: {},
        outputs,
        layer: 1,
        role: at < shape.forward.length ? 'forward' : backward,
      });
      temporaries.push(node.alias ? 0 : node.temporaries);
    }
    const variables = shape.variables.map(({ elements, layer, averaged, at }, index): Variable => {
      const contribution = made[Math.floor(at * made.length)] as ValueId;
      const kind = averaged ? 'averaged' : 'trained';
      return {
        index,
        name: `w${index}`,
        value: weights[index] as ValueId,
        shape: [elements],
        layer,
        kind,
        contribution,
      };
    });
    const graph: Graph = {
      values,
      nodes,
      variables,
      constants,
      draws,
      feeds,
      loss: made[0] as ValueId,
      outputs: [],
      layerCount: 4,
    };
    const bytesOf = (id: ValueId) => values[id]?.bytes ?? 0;
    return {
      graph,
      buckets: planBuckets(
        shape.variables.map(({ elements, layer }, index) => ({ index, layer, elements })),
        shape,
      ),
      nodeBytes: (node) => (temporaries[node.id] ?? 0) + node.outputs.reduce((sum, id) => sum + bytesOf(id), 0),
      optimizerSlots: shape.optimizerSlots,
    };
  });
