import assert from 'node:assert/strict';
import type { DeviceMemory } from '../engine/engine.ts';
import { openEngine } from '../engine/open.ts';
import type { Graph } from '../graph/graph.ts';
import { Ledger } from '../memory/ledger.ts';
import type { Reuse } from '../memory/measured-reuse.ts';
import type { Plan } from '../memory/plan.ts';
import { Deviations } from './deviations.ts';

const gib = 2 ** 30;
const graph: Graph = {
  values: [0, 1].map((id) => ({ id, shape: [1], dtype: 'float32', bytes: 4 })),
  nodes: [],
  variables: [],
  constants: [],
  draws: [],
  feeds: [{ name: 'x', value: 0 }],
  outputs: [],
  layerCount: 1,
};
const nothing = { events: [], liveBytes: [] };
const planned = (bytes: number): Plan => {
  return { steady: nothing, first: nothing, drain: nothing, baseBytes: 0, peak: { bytes, event: -1, liveBytes: 0 } };
};
const device = (peak: number): DeviceMemory => ({ inUse: 0, peak, limit: 80 * gib, largest: 0, reserved: 0 });
const quiet = { peakBytes: gib, device: undefined, reuse: undefined };

describe('Deviations', () => {
  const of = async (bytes: number) =>
    new Deviations({ graph, plan: planned(bytes) }, new Ledger(await openEngine('cpu')));

  it('say nothing while everything is as planned, or a device holds a little more', async () => {
    const deviations = await of(gib);
    assert.equal(deviations.warning(quiet), undefined);
    assert.equal(deviations.warning({ ...quiet, device: device(gib + 100 * 2 ** 20) }), undefined);
    const small = await of(2 ** 20);
    assert.equal(small.warning({ ...quiet, peakBytes: 2 ** 20, device: device(60 * 2 ** 20) }), undefined);
  });

  it('say once that a device holds a tenth more than planned, with both figures', async () => {
    const deviations = await of(gib);
    const more = { ...quiet, device: device(1.5 * gib) };
    assert.match(
      deviations.warning(more) ?? '',
      /allocator held 1610612736 bytes at its peak, 50 % more than the plan's 1073741824/,
    );
    assert.equal(deviations.warning(more), undefined);
  });

  it('say each kind, even where another has been said before', async () => {
    const deviations = await of(gib);
    assert.match(
      deviations.warning({ ...quiet, device: device(2 * gib), peakBytes: gib + 1 }) ?? '',
      /^memory: a peak of 1073741825 bytes where the plan says 1073741824; memory: the device's allocator/,
    );
    const share = { plannedBytes: 0, hitBytes: 0, buffers: 0 };
    const reuse: Reuse = { ...share, large: share, misses: [], overlap: { value: 0, other: 1, bytes: 8 } };
    assert.match(
      deviations.warning({ ...quiet, reuse }) ?? '',
      /^memory: batch tensor x and value 1 shared 8 bytes while both were alive/,
    );
    assert.equal(deviations.warning({ ...quiet, reuse }), undefined);
  });
});
