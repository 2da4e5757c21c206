import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { planBuckets } from '../communication/schedule/buckets.ts';
import { type Graph, inputsOf, type Node, rootOf, type ValueId } from '../graph/graph.ts';
import { type ArbitraryStep, arbitraryStep } from './arbitrary-graph.ts';
import type { Event } from './event.ts';
import { planStep } from './plan.ts';

const planned = (step: ArbitraryStep, recycling = true) => planStep({ ...step, recycling });
const holds = (property: (step: ArbitraryStep) => void) =>
  fc.assert(fc.property(arbitraryStep, property), { numRuns: 300 });

/** What an engine would do: handles by value, checked at every event. Returns the bytes alive after each. */
function replay({ graph, optimizerSlots }: ArbitraryStep, events: readonly Event[]): number[] {
  const resident = new Set<ValueId>([...graph.variables, ...graph.constants].map(({ value }) => value));
  const alive = new Set<ValueId>(resident);
  const gone = new Set<ValueId>();
  const slots = graph.variables.filter(({ kind }) => kind === 'trained').map(({ value }) => bytesOf(graph, value));
  const make = (value: ValueId) => {
    assert.ok(!alive.has(value) && !gone.has(value), `value ${value} is made twice`);
    alive.add(value);
  };
  const read = (value: ValueId) => assert.ok(alive.has(value), `value ${value} is read while it is not alive`);
  const bytes = events.map((event) => {
    if (event.kind === 'run') {
      const node = graph.nodes[event.node] as Node;
      inputsOf(node).forEach(read);
      node.outputs.forEach(make);
    }
    if (event.kind === 'feed' || event.kind === 'draw') make(event.value);
    if (event.kind === 'handOver' || event.kind === 'apply' || event.kind === 'read') read(event.value);
    if (event.kind === 'free') {
      read(event.value);
      alive.delete(event.value);
      gone.add(event.value);
    }
    const roots = new Set([...alive].map((value) => rootOf(graph, value)));
    return [...roots].reduce((sum, root) => sum + bytesOf(graph, root), 0) + optimizerSlots * total(slots);
  });
  assert.deepEqual(alive, resident, 'something of the step outlives it');
  return bytes;
}

const bytesOf = (graph: Graph, id: ValueId) => graph.values[id]?.bytes ?? 0;
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

describe('planStep', () => {
  it('reads only what is alive, frees everything once, and predicts the bytes after every event', () => {
    holds((step) => {
      const { steady, first } = planned(step);
      assert.deepEqual(steady.liveBytes, replay(step, steady.events));
      assert.deepEqual(first.liveBytes, replay(step, first.events));
    });
  });

  it('predicts as well when nothing is freed before the end, and never more than that when it is', () => {
    holds((step) => {
      const kept = planned(step, false);
      assert.deepEqual(kept.steady.liveBytes, replay(step, kept.steady.events));
      const firstFree = kept.steady.events.findIndex(({ kind }) => kind === 'free');
      assert.ok(kept.steady.events.slice(firstFree).every(({ kind }) => kind === 'free'));
      assert.ok(planned(step).peak.bytes <= kept.peak.bytes);
    });
  });

  it('puts the peak where it is', () => {
    holds((step) => {
      const { steady, peak, baseBytes } = planned(step);
      const highs = steady.events.map((event, at) => {
        const before = steady.liveBytes[at - 1] ?? baseBytes;
        const during = event.kind === 'run' ? before + step.nodeBytes(step.graph.nodes[event.node] as Node) : 0;
        return Math.max(during, steady.liveBytes[at] as number);
      });
      assert.equal(peak.bytes, Math.max(baseBytes, ...highs));
      assert.equal(highs[peak.event] ?? baseBytes, peak.bytes);
    });
  });

  it('runs every node once', () => {
    holds((step) => {
      const ran = planned(step).steady.events.flatMap((event) => (event.kind === 'run' ? [event.node] : []));
      assert.deepEqual(
        ran.toSorted((a, b) => a - b),
        step.graph.nodes.map(({ id }) => id),
      );
    });
  });

  it('awaits each bucket once, updates a variable before anything reads it, and submits a bucket when it is whole', () => {
    holds((step) => {
      const { events } = planned(step).steady;
      const at = (wanted: (event: Event) => boolean) => events.findIndex(wanted);
      for (const { id, parts } of step.buckets) {
        const inBucket = events.filter((event) => 'bucket' in event && event.bucket === id).map(({ kind }) => kind);
        assert.equal(inBucket[0], 'await');
        assert.equal(inBucket.at(-1), 'submit');
        assert.equal(inBucket.length, 2 + 2 * parts.length);
        for (const { variable, ...place } of parts) {
          const { value, contribution, kind } = step.graph.variables[variable]!;
          const takes = { kind: kind === 'trained' ? 'update' : 'average', variable, bucket: id, ...place };
          const updated = at((event) => isDeepStrictEqual(event, takes));
          assert.notEqual(updated, -1);
          const read = at((event) => event.kind === 'run' && readsRoot(step.graph, event.node, value));
          assert.ok(read === -1 || updated < read);
          const hands = { kind: 'handOver', value: contribution, bucket: id, ...place };
          assert.ok(at((event) => isDeepStrictEqual(event, hands)) > updated);
        }
      }
    });
  });

  it('takes in and hands over the parts of a large variable one after the other, each with its own bucket and its own place', () => {
    const variable = {
      index: 0,
      name: 'w',
      value: 0,
      shape: [40],
      layer: 1,
      kind: 'trained',
      contribution: 1,
    } as const;
    const node = { kernel: 'Any', inputs: { x: 0 }, attrs: {}, layer: 1, role: 'weightGradient' } as const;
    const graph: Graph = {
      values: [0, 1].map((id) => ({ id, shape: [40], dtype: 'float32', bytes: 160 })),
      nodes: [{ ...node, id: 0, outputs: [1] }],
      variables: [variable],
      constants: [],
      draws: [],
      feeds: [],
      outputs: [],
      layerCount: 1,
    };
    const buckets = planBuckets([{ index: 0, layer: 1, elements: 40 }], { bucketBytes: 64, mostBytes: 64 });
    const { steady } = planStep({
      graph,
      nodeBytes: () => 0,
      buckets,
      optimizerSlots: 0,
      fetches: true,
      recycling: true,
    });
    const said = steady.events.flatMap((event) => {
      const place = 'first' in event ? ` from ${event.first}` : '';
      return [`${event.kind}${'bucket' in event ? ` ${event.bucket}` : ''}${place}`];
    });
    const takenIn = (bucket: number) => `await ${bucket}, update ${bucket} from ${16 * bucket}`;
    const handedOver = (bucket: number) => {
      const first = `from ${16 * bucket}`;
      return `handOver ${bucket} ${first}, submit ${bucket}, stay ${bucket} ${first}`;
    };
    const [before, after] = [takenIn, handedOver].map((say) => [0, 1, 2].map(say).join(', '));
    assert.equal(said.join(', '), `${before}, free, run, ${after}`);
  });

  it('hands a contribution over before any other node runs, once the node that makes it has run', () => {
    holds((step) => {
      const { events } = planned(step).steady;
      events.forEach((event, index) => {
        if (event.kind !== 'handOver') return;
        const before = events.slice(0, index).findLast((earlier) => earlier.kind === 'run');
        assert.ok(step.graph.nodes[before?.node ?? -1]?.outputs.includes(event.value));
      });
    });
  });

  it('takes contributions in alone: each once, when no node to come reads the variable, in the bytes predicted', () => {
    holds((step) => {
      for (const fetches of [false, true]) {
        const { events, liveBytes } = planStep({ ...step, buckets: [], alone: true, fetches, recycling: true }).steady;
        const applies = events.flatMap((event, at) => (event.kind === 'apply' ? [{ at, ...event }] : []));
        assert.deepEqual(
          applies.map(({ variable }) => variable).toSorted((a, b) => a - b),
          step.graph.variables.map(({ index }) => index),
        );
        for (const { at, variable } of applies) {
          const { value } = step.graph.variables[variable]!;
          assert.ok(
            events.slice(at).every((event) => event.kind !== 'run' || !readsRoot(step.graph, event.node, value)),
          );
        }
        assert.deepEqual(liveBytes, replay(step, events));
      }
    });
  });

  it('applies small contributions together on an engine far away, at the next large one or at the end', () => {
    const sizes = [1000, 100_000, 2000, 3000].map((elements) => 4 * elements);
    const values = [...sizes, ...sizes].map((bytes, id) => ({
      id,
      shape: [bytes / 4],
      dtype: 'float32' as const,
      bytes,
    }));
    const node = { kernel: 'Any', inputs: {}, attrs: {}, layer: 1, role: 'weightGradient' } as const;
    const graph: Graph = {
      values,
      nodes: sizes.map((_, id) => ({ ...node, id, outputs: [id + 4] })),
      variables: sizes.map((bytes, index) => {
        const [name, shape] = [`w${index}`, [bytes / 4]];
        return { index, name, value: index, shape, layer: 1, kind: 'trained', contribution: index + 4 };
      }),
      constants: [],
      draws: [],
      feeds: [],
      outputs: [],
      layerCount: 1,
    };
    const request = { graph, nodeBytes: () => 0, buckets: [], optimizerSlots: 0, alone: true, recycling: true };
    const kinds = (fetches: boolean) =>
      planStep({ ...request, fetches })
        .steady.events.filter(({ kind }) => kind !== 'free')
        .map(({ kind }) => kind)
        .join(' ');
    assert.equal(kinds(false), 'run apply run apply run apply run apply');
    assert.equal(kinds(true), 'run run apply apply run run apply apply');
  });

  it('leaves the sums to the drain after a step with nothing on its way, and takes all of them in there', () => {
    holds((step) => {
      const { steady, first, drain, baseBytes } = planned(step);
      const takesIn = ({ kind }: Event) => kind === 'await' || kind === 'update' || kind === 'average';
      assert.deepEqual(
        first.events,
        steady.events.filter((event) => !takesIn(event)),
      );
      assert.deepEqual(drain.events, steady.events.filter(takesIn));
      assert.ok(drain.liveBytes.every((bytes) => bytes === baseBytes));
    });
  });
});

function readsRoot(graph: Graph, node: number, root: ValueId): boolean {
  return inputsOf(graph.nodes[node] as Node).some((id) => rootOf(graph, id) === root);
}
