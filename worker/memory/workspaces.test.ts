import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Node } from '../graph/graph.ts';
import { type ArbitraryStep, arbitraryStep } from './arbitrary-graph.ts';
import { planStep } from './plan.ts';
import { chooseWorkspaces, type Way } from './workspaces.ts';

const way = fc.record({
  milliseconds: fc.integer({ min: 1, max: 1000 }),
  workspaceBytes: fc.integer({ min: 0, max: 900 }),
});
const subject = fc.record({ step: arbitraryStep, lists: fc.array(fc.array(way, { maxLength: 4 }), { maxLength: 24 }) });

const planned = (
  { graph, buckets, nodeBytes, optimizerSlots }: ArbitraryStep,
  more: (node: Node) => number = () => 0,
) =>
  planStep({
    graph,
    buckets,
    nodeBytes: (node) => nodeBytes(node) + more(node),
    optimizerSlots,
    recycling: true,
  });

/** A list for each of the first nodes; some are empty. */
function waysOf({ graph }: ArbitraryStep, lists: readonly (readonly Way[])[]): Map<number, readonly Way[]> {
  return new Map(lists.slice(0, graph.nodes.length).map((list, node) => [node, list]));
}

function setUp({ step, lists }: { step: ArbitraryStep; lists: readonly (readonly Way[])[] }) {
  const plan = planned(step);
  const ways = waysOf(step, lists);
  const nodeBytes = (node: number) => step.nodeBytes(step.graph.nodes[node] as Node);
  const heldBytes = (node: number) => {
    const at = plan.steady.events.findIndex((event) => event.kind === 'run' && event.node === node);
    return (plan.steady.liveBytes[at - 1] ?? plan.baseBytes) + nodeBytes(node);
  };
  const chosen = chooseWorkspaces({ plan, nodeBytes, ways });
  return { plan, ways, heldBytes, chosen };
}

/** Time of all convolutions where each takes the fastest way that fits, or the smallest. */
function totalWithin(
  ways: ReadonlyMap<number, readonly Way[]>,
  heldBytes: (node: number) => number,
  peak: number,
): number {
  return [...ways].reduce((sum, [node, list]) => {
    if (list.length === 0) return sum;
    const least = Math.min(...list.map(({ workspaceBytes }) => workspaceBytes));
    const room = Math.max(least, peak - heldBytes(node));
    const fitting = list.filter(({ workspaceBytes }) => workspaceBytes <= room);
    return sum + Math.min(...fitting.map(({ milliseconds }) => milliseconds));
  }, 0);
}

describe('chooseWorkspaces', () => {
  it('gives a plan that holds, with the workspaces counted, exactly the peak it says, and the same events', () => {
    fc.assert(
      fc.property(subject, ({ step, lists }) => {
        const { plan, chosen } = setUp({ step, lists });
        const again = planned(step, ({ id }) => chosen.workspaceBytes.get(id) ?? 0);
        assert.equal(again.peak.bytes, chosen.peakBytes);
        assert.deepEqual(again.steady, plan.steady);
      }),
    );
  });

  it('raises the peak by a quarter at most, but for convolutions that cannot do with so little', () => {
    fc.assert(
      fc.property(subject, (given) => {
        const { plan, ways, heldBytes, chosen } = setUp(given);
        const needs = [...ways].map(([node, list]) =>
          list.length === 0 ? 0 : heldBytes(node) + Math.min(...list.map(({ workspaceBytes }) => workspaceBytes)),
        );
        assert.ok(chosen.peakBytes <= Math.max(1.25 * plan.peak.bytes, ...needs));
      }),
    );
  });

  it('takes the smallest peak at which all convolutions are within 2 % of the least time there is below the limit', () => {
    fc.assert(
      fc.property(subject, (given) => {
        const { plan, ways, heldBytes, chosen } = setUp(given);
        const needs = [...ways].flatMap(([node, list]) =>
          list.length === 0 ? [] : [heldBytes(node) + Math.min(...list.map(({ workspaceBytes }) => workspaceBytes))],
        );
        const lowest = Math.max(plan.peak.bytes, ...needs);
        const limit = Math.max(lowest, Math.floor(1.25 * plan.peak.bytes));
        const total = (peak: number) => totalWithin(ways, heldBytes, peak);
        const most = 1.02 * total(limit);
        const peaks = [...ways].flatMap(([node, list]) =>
          list.map(({ workspaceBytes }) => heldBytes(node) + workspaceBytes),
        );
        const candidates = [lowest, ...peaks.filter((peak) => peak > lowest && peak <= limit)].sort((a, b) => a - b);
        const smallest = candidates.find((peak) => total(peak) <= most + 1e-9);
        assert.equal(Math.max(chosen.peakBytes, lowest), smallest);
        assert.equal(chosen.milliseconds, total(smallest!));
      }),
    );
  });

  it('gives each convolution a way of its own that is as fast as any in the same room', () => {
    fc.assert(
      fc.property(subject, (given) => {
        const { ways, chosen } = setUp(given);
        const total = [...chosen.workspaceBytes].reduce((sum, [node, bytes]) => {
          const fitting = (ways.get(node) ?? []).filter(({ workspaceBytes }) => workspaceBytes <= bytes);
          return sum + Math.min(...fitting.map(({ milliseconds }) => milliseconds));
        }, 0);
        assert.equal(total, chosen.milliseconds);
        const withWays = [...ways].flatMap(([node, list]) => (list.length === 0 ? [] : [node]));
        assert.deepEqual(
          [...chosen.workspaceBytes.keys()].sort((a, b) => a - b),
          withWays,
        );
      }),
    );
  });

  describe('of two convolutions', () => {
    const mib = 2 ** 20;
    const plan = {
      steady: {
        events: [
          { kind: 'run', node: 0 },
          { kind: 'run', node: 1 },
        ] as const,
        liveBytes: [2000 * mib, 4000 * mib],
      },
      baseBytes: 1000 * mib,
      peak: { bytes: 4000 * mib, event: 1, liveBytes: 2000 * mib },
    };
    const choose = (ways: readonly (readonly [number, number][])[]) =>
      chooseWorkspaces({
        plan,
        nodeBytes: (node) => (node === 0 ? 1000 * mib : 2000 * mib),
        ways: new Map(
          ways.map((list, node) => [
            node,
            list.map(([milliseconds, size]) => ({ milliseconds, workspaceBytes: size * mib })),
          ]),
        ),
      });

    it('gives room below the peak away for nothing, and says what more would bring', () => {
      const chosen = choose([
        [
          [10, 2000],
          [20, 0],
        ],
        [
          [40, 3000],
          [50, 900],
          [90, 0],
        ],
      ]);
      assert.deepEqual([...chosen.workspaceBytes.values()], [2000 * mib, 900 * mib]);
      assert.equal(chosen.peakBytes, 4900 * mib);
      assert.equal(
        chosen.reason,
        'convolutions take 60.0 ms with workspaces within 4,900 MiB; 50.0 ms would need 7,000 MiB',
      );
    });

    it('gives up 2 % of the time for less memory', () => {
      const chosen = choose([
        [[10, 0]],
        [
          [90, 1000],
          [91, 300],
          [93, 0],
        ],
      ]);
      assert.deepEqual([...chosen.workspaceBytes.values()], [0, 300 * mib]);
      assert.match(
        chosen.reason,
        /^convolutions take 101\.0 ms with workspaces within 4,300 MiB; 100\.0 ms would need 5,000 MiB$/,
      );
    });

    it('lets a convolution that fits nowhere have the smallest workspace it knows, and others that room', () => {
      const chosen = choose([
        [
          [1, 7500],
          [2, 0],
        ],
        [
          [5, 9000],
          [9, 6000],
        ],
      ]);
      assert.deepEqual([...chosen.workspaceBytes.values()], [7500 * mib, 6000 * mib]);
      assert.equal(chosen.peakBytes, 10_000 * mib);
    });

    it('has nothing to say of what would need more where nothing would be faster', () => {
      assert.equal(choose([[[10, 0]], []]).reason, 'convolutions take 10.0 ms with workspaces within 4,000 MiB');
    });
  });
});
