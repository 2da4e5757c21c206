import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { grantGpus } from './gpus.ts';
import type { Pod } from './pod.ts';

const asking = (uid: string, limits: Record<string, string | number> = {}): Pod => ({
  metadata: { name: uid, namespace: 'default', uid },
  spec: { containers: [{ name: 'worker', resources: { limits } }] },
});
const held = (...entries: [string, string[]][]) => new Map(entries);

describe('grantGpus', () => {
  it('gives a pod the first GPU that nobody has, and again the one that it has', () => {
    const one = asking('b', { 'nvidia.com/gpu': '1' });
    assert.deepEqual(grantGpus(one, ['x', 'y'], held(['a', ['x']])), { ok: true, gpus: ['y'] });
    assert.deepEqual(grantGpus(one, ['x', 'y'], held(['b', ['y']])), { ok: true, gpus: ['y'] });
  });

  it('gives none to a pod that asks for none, not even where it asks for other things', () => {
    const plain = asking('a', { cpu: '2', memory: '1Gi', 'nvidia.com/gpu': 0, 'scheduling.kubernetes.io/foo': 1 });
    assert.deepEqual(grantGpus(plain, ['x'], held()), { ok: true, gpus: [] });
    assert.deepEqual(grantGpus({ ...plain, spec: { containers: [] } }, ['x'], held()), { ok: true, gpus: [] });
  });

  it('says like a scheduler what is missing, and how many there are', () => {
    const grant = grantGpus(asking('c', { 'nvidia.com/gpu': 2 }), ['x', 'y'], held(['a', ['x']]));
    assert.deepEqual(grant, {
      ok: false,
      message:
        '0/1 nodes are available: 1 Insufficient nvidia.com/gpu. The pod asks for 2 nvidia.com/gpu; this machine has 2, of which 1 is free.',
    });
  });

  it('has nothing of other resources that plugins bring, and says so', () => {
    const grant = grantGpus(asking('c', { 'amd.com/gpu': 1, 'nvidia.com/gpu': 1 }), ['x'], held());
    assert.match(grant.ok ? '' : grant.message, /^0\/1 nodes are available: 1 Insufficient amd\.com\/gpu\. The pod/);
  });

  it('never gives one GPU to two pods, and keeps none back', () => {
    const order = fc.array(fc.record({ pod: fc.nat(5), count: fc.integer({ min: 1, max: 3 }), ends: fc.boolean() }));
    fc.assert(
      fc.property(fc.nat(4), order, (size, turns) => {
        const gpus = Array.from({ length: size }, (_, i) => `GPU-${i}`);
        const having = new Map<string, readonly string[]>();
        for (const { pod, count, ends } of turns) {
          const uid = String(pod);
          if (ends) {
            having.delete(uid);
            continue;
          }
          const free = size - [...having.values()].flat().length;
          const grant = grantGpus(asking(uid, { 'nvidia.com/gpu': count }), gpus, having);
          assert.equal(grant.ok, having.has(uid) || count <= free);
          if (grant.ok) having.set(uid, grant.gpus);
          const given = [...having.values()].flat();
          assert.equal(new Set(given).size, given.length);
        }
      }),
    );
  });
});
