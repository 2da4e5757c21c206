import assert from 'node:assert/strict';
import { kubeconfig } from '@hayate/local/api/server.ts';
import { CrashProxy } from './crash-proxy.ts';
import { manifest, Rig } from './rig.ts';

/**
 * One job's life: start, a killed worker, a restart, success; with a kubelet that does its part whoever the operator
 * is. The operator dies at write `crashAt` and another one takes over. Returns what a person can see at the end.
 */
async function live(crashAt: number, when: 'before' | 'after'): Promise<{ writes: number; seen: object }> {
  const rig = await Rig.start();
  const proxy = new CrashProxy(rig.api.url, crashAt, when);
  const attempts = new Set<number>();
  try {
    await rig.startOperator(kubeconfig(await proxy.listen()));
    await rig.apply(manifest('vgg'));
    let replaced = false;
    await rig.until(`the end after a crash ${when} write ${crashAt}`, async () => {
      if (proxy.broken && !replaced) {
        replaced = true;
        await rig.stopOperator();
        await rig.startOperator();
      }
      const status = rig.status('vgg');
      attempts.add(status?.attempt ?? 0);
      await rig.finishTerminating();
      const alive = rig.pods().filter((pod) => pod.metadata.deletionTimestamp === undefined);
      const group = alive.filter((pod) => pod.metadata.name.endsWith(`-a${status?.attempt}`));
      assert.equal(new Set(alive.map((pod) => pod.metadata.name)).size, alive.length);
      for (const pod of group)
        if (pod.status?.phase !== 'Running' && pod.spec.nodeName === undefined) await rig.run(pod.metadata.name);
      if (status?.phase === 'Running' && status.attempt === 1 && group.length === 2) {
        if (group.every((pod) => pod.status?.phase === 'Running')) await rig.end('vgg-w1-a1', 137);
      }
      if (status?.phase === 'Running' && status.attempt === 2) {
        for (const pod of group) if (pod.status?.phase === 'Running') await rig.end(pod.metadata.name, 0);
      }
      return status?.phase === 'Succeeded' || status?.phase === 'Failed';
    });
    const status = rig.status('vgg')!;
    const seen = {
      phase: status.phase,
      attempts: [...attempts].sort((a, b) => a - b),
      restarts: status.restarts,
      failures: status.failures?.map(({ attempt, class: kind, rank, exitCode }) => ({ attempt, kind, rank, exitCode })),
      conditions: status.conditions?.map(({ type, status: holds, reason }) => `${type}=${holds} ${reason}`),
      pods: rig.podNames(),
    };
    return { writes: proxy.writes, seen };
  } finally {
    await rig.close();
    proxy.close();
  }
}

describe('an operator that dies', () => {
  it('is replaced by one that comes to the same end, wherever between two writes it died', async () => {
    const undisturbed = await live(Number.POSITIVE_INFINITY, 'before');
    assert.deepEqual(undisturbed.seen, {
      phase: 'Succeeded',
      attempts: [0, 1, 2],
      restarts: { counted: 1 },
      failures: [{ attempt: 1, kind: 'killed', rank: 1, exitCode: 137 }],
      conditions: [
        'Accepted=True Valid',
        'Running=False Succeeded',
        'Restarting=False Succeeded',
        'Succeeded=True AllWorkersSucceeded',
      ],
      pods: ['vgg-w0-a2', 'vgg-w1-a2'],
    });
    const points = Array.from({ length: undisturbed.writes }, (_, i) => i + 1).flatMap((write) =>
      (['before', 'after'] as const).map((when) => ({ write, when })),
    );
    assert.ok(points.length >= 20, `only ${points.length} crash points`);
    // Lives are mostly waiting: several at a time.
    const lane = async () => {
      for (let point = points.shift(); point !== undefined; point = points.shift()) {
        const { seen } = await live(point.write, point.when);
        assert.deepEqual(seen, undisturbed.seen, `crash ${point.when} write ${point.write}`);
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  });
});
