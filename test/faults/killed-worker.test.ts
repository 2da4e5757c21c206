import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createJob,
  digests,
  freshCluster,
  isOver,
  jobOf,
  jobs,
  mnistJob,
  rankOf,
  waitForJob,
  workerPids,
} from '../e2e/local-cluster.ts';

const kills = 20;

describe('a worker killed at a random moment', () => {
  let cluster: Awaited<ReturnType<typeof freshCluster>>;
  before(async () => {
    cluster = await freshCluster();
  });
  after(() => cluster.remove());

  it(`costs nothing but time, ${kills} times: the job ends with the weights of an undisturbed one`, async function () {
    this.timeout(900_000);
    await createJob(cluster, mnistJob('undisturbed'));
    await waitForJob(cluster, 'undisturbed', isOver, 120_000);
    const expected = digests(cluster, 'undisturbed');
    assert.equal(new Set(expected).size, 1);
    assert.equal(expected.length, 4);

    await createJob(cluster, mnistJob('disturbed'));
    const moments: string[] = [];
    for (let done = 0; done < kills; ) {
      // Uniform over start-up and training alike; the last attempts must be left time to finish.
      await sleep(Math.random() * 8000);
      const job = await jobOf(cluster, 'disturbed');
      assert.notEqual(job.status?.phase, 'Failed', JSON.stringify(job.status?.failures));
      if (job.status?.phase === 'Succeeded') {
        // It got through between two kills: the same again, from the start.
        assert.deepEqual(digests(cluster, 'disturbed'), expected, moments.join('\n'));
        await restartJob(cluster);
        continue;
      }
      const pids = workerPids(cluster.directory);
      const pid = pids[Math.floor(Math.random() * pids.length)];
      if (pid === undefined) continue;
      moments.push(
        `kill ${done + 1}: rank ${rankOf(pid)} of attempt ${job.status?.attempt}, step ${job.status?.progress?.step}`,
      );
      try {
        process.kill(pid, 'SIGKILL');
        done += 1;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    const ended = await waitForJob(cluster, 'disturbed', isOver, 120_000);
    assert.equal(ended.status?.phase, 'Succeeded', `${JSON.stringify(ended.status?.failures)}\n${moments.join('\n')}`);
    assert.deepEqual(digests(cluster, 'disturbed'), expected, moments.join('\n'));
    assert.deepEqual(workerPids(cluster.directory), [], 'workers are left over');
  });
});

async function restartJob(cluster: Awaited<ReturnType<typeof freshCluster>>): Promise<void> {
  const job = await jobOf(cluster, 'disturbed');
  await cluster.client.delete(jobs, 'default', 'disturbed', { uid: job.metadata.uid });
  await createJob(cluster, mnistJob('disturbed'));
}
