import assert from 'node:assert/strict';
import { manifest, Rig } from './rig.ts';

describe('the operator on the embedded API', () => {
  let rig: Rig;

  beforeEach(async () => {
    rig = await Rig.start();
    await rig.startOperator();
  });

  afterEach(() => rig.close());

  it('runs a job from nothing to Succeeded, then rests', async () => {
    await rig.apply(manifest('vgg'));
    await rig.untilPods('vgg-w0-a1', 'vgg-w1-a1');
    const services = (await rig.services()).filter((service) => service.metadata.name === 'vgg');
    assert.deepEqual(
      services.map((service) => service.spec.publishNotReadyAddresses),
      [true],
    );
    for (const child of [...rig.pods(), ...services]) {
      assert.equal(child.metadata.ownerReferences?.[0]?.controller, true, child.metadata.name);
    }
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    assert.equal(rig.status('vgg')?.workers?.summary, '2/2');
    await rig.end('vgg-w0-a1', 0);
    await rig.until('one to have finished', () => rig.status('vgg')?.workers?.succeeded === 1);
    assert.equal(rig.status('vgg')?.phase, 'Running');
    await rig.end('vgg-w1-a1', 0);
    await rig.untilPhase('vgg', 'Succeeded');
    const version = rig.version('vgg');
    await rig.until('the events', async () => (await rig.eventReasons('vgg')).length >= 3);
    assert.deepEqual(await rig.eventReasons('vgg'), ['Started', 'Running', 'Succeeded']);
    for (const pod of rig.pods()) await rig.stop(pod);
    await rig.untilPods();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(rig.version('vgg'), version, 'a finished job is written no more, and does not run again');
    assert.deepEqual(rig.podNames(), []);
  });

  it('restarts the group once when two fail at once, names the first cause, and waits for the old pods to go', async () => {
    await rig.apply(manifest('vgg', { workers: { replicas: 3 } }));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1', 'vgg-w2-a1');
    const said = { class: 'outOfMemory', reason: 'DeviceMemory', rank: 2, step: 7, message: 'asked for 2 GiB' };
    await Promise.all([rig.end('vgg-w0-a1', 10), rig.end('vgg-w2-a1', 12, JSON.stringify(said))]);
    await rig.untilPhase('vgg', 'Restarting');
    await rig.until('the old pods asked to go', () => rig.podNames().join() === 'vgg-w1-a1');
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.deepEqual(rig.podNames(), ['vgg-w1-a1'], 'nothing new while an old pod terminates');
    await rig.finishTerminating();
    await rig.runAll('vgg', 'vgg-w0-a2', 'vgg-w1-a2', 'vgg-w2-a2');
    const status = rig.status('vgg');
    assert.deepEqual([status?.attempt, status?.restarts], [2, { counted: 1 }]);
    const { time: _, ...failure } = status!.failures![0]!;
    assert.deepEqual(failure, {
      attempt: 1,
      class: 'outOfMemory',
      rank: 2,
      pod: 'vgg-w2-a1',
      exitCode: 12,
      reason: 'DeviceMemory',
      message: 'asked for 2 GiB',
      step: 7,
    });
    assert.equal(rig.condition('vgg', 'Restarting'), 'False Running');
  });

  it('keeps the time of the next attempt in the status, where the next operator finds it', async () => {
    await rig.apply(manifest('vgg', { failurePolicy: { backoff: { initialSeconds: 0.8 } } }));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    for (const name of rig.podNames()) await rig.end(name, 137);
    await rig.untilPhase('vgg', 'Restarting');
    await rig.stopOperator();
    const nextMs = Date.parse(rig.status('vgg')!.restarts!.nextTime!);
    await rig.startOperator();
    await rig.untilPods('vgg-w0-a2', 'vgg-w1-a2');
    assert.ok(Date.now() >= nextMs, 'not before its time');
    assert.equal(rig.status('vgg')?.restarts?.counted, 1);
  });

  it('fails at once for what a restart cannot cure, and stops the others', async () => {
    await rig.apply(manifest('vgg'));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    await rig.end('vgg-w1-a1', 2);
    await rig.untilPhase('vgg', 'Failed');
    await rig.until('the survivor asked to go', () =>
      rig.pods().some((pod) => pod.metadata.name === 'vgg-w0-a1' && pod.metadata.deletionTimestamp !== undefined),
    );
    assert.equal(rig.condition('vgg', 'Failed'), 'True Configuration');
    assert.equal(rig.status('vgg')?.restarts?.counted, 0);
  });

  it('fails when maxRestarts are used up', async () => {
    await rig.apply(
      manifest('vgg', { workers: { replicas: 1 }, failurePolicy: { maxRestarts: 2, backoff: { initialSeconds: 0 } } }),
    );
    for (const attempt of [1, 2, 3]) {
      await rig.runAll('vgg', `vgg-w0-a${attempt}`);
      await rig.end(`vgg-w0-a${attempt}`, 137);
    }
    await rig.untilPhase('vgg', 'Failed');
    assert.equal(rig.condition('vgg', 'Failed'), 'True MaxRestartsReached');
    assert.deepEqual(rig.status('vgg')?.restarts, { counted: 2 });
  });

  it('restarts the group when a person deletes a worker', async () => {
    await rig.apply(manifest('vgg'));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    await rig.stop(rig.pods()[0]!);
    await rig.until('the restart', () => rig.status('vgg')?.restarts?.counted === 1);
    await rig.finishTerminating();
    await rig.until('terminating pods', async () => {
      await rig.finishTerminating();
      return rig.podNames().join() === 'vgg-w0-a2,vgg-w1-a2';
    });
  });

  it('suspends and resumes: teardown first, next attempt after it, nothing counted, scaled in between', async () => {
    await rig.apply(manifest('vgg'));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    await rig.edit('vgg', { suspend: true });
    await rig.untilPhase('vgg', 'Suspended');
    await rig.edit('vgg', { workers: { replicas: 3 } });
    await rig.edit('vgg', { suspend: false });
    await rig.until('both asked to go', () => rig.pods().every((pod) => pod.metadata.deletionTimestamp !== undefined));
    assert.deepEqual(rig.podNames(), ['vgg-w0-a1', 'vgg-w1-a1']);
    await rig.finishTerminating();
    await rig.runAll('vgg', 'vgg-w0-a2', 'vgg-w1-a2', 'vgg-w2-a2');
    assert.equal(rig.status('vgg')?.restarts?.counted, 0);
    assert.equal(rig.condition('vgg', 'Suspended'), 'False Resumed');
  });

  it('makes nothing for a job created suspended', async () => {
    await rig.apply(manifest('vgg', { suspend: true }));
    await rig.untilPhase('vgg', 'Suspended');
    assert.deepEqual(rig.podNames(), []);
  });

  it('makes a service deleted by hand again', async () => {
    await rig.apply(manifest('vgg'));
    await rig.untilPods('vgg-w0-a1', 'vgg-w1-a1');
    const service = async () => (await rig.services()).find((s) => s.metadata.name === 'vgg');
    const before = await service();
    await rig.client.delete({ group: '', version: 'v1', plural: 'services' }, 'default', 'vgg', {
      uid: before!.metadata.uid!,
    });
    await rig.until('another service', async () => {
      const uid = (await service())?.metadata.uid;
      return uid !== undefined && uid !== before?.metadata.uid;
    });
  });

  it('leaves nothing behind when the job is deleted, and starts afresh under the same name', async () => {
    await rig.apply(manifest('vgg'));
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    await rig.deleteJob('vgg');
    await rig.until('the job gone', () => rig.status('vgg') === undefined);
    await rig.apply(manifest('vgg'));
    await rig.until('the old pods gone', async () => {
      await rig.finishTerminating();
      return rig.pods().length === 2 && rig.pods().every((pod) => pod.metadata.deletionTimestamp === undefined);
    });
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
    await rig.deleteJob('vgg');
    await rig.until('no child left', async () => {
      await rig.finishTerminating();
      return rig.podNames().length === 0 && !(await rig.services()).some((s) => s.metadata.name === 'vgg');
    });
  });

  it('says so when a name is taken by something else, and goes on when it is free', async () => {
    const { client } = rig;
    const pods = { group: '', version: 'v1', plural: 'pods' };
    const other = {
      metadata: { name: 'vgg-w1-a1', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    };
    const taken = await client.create(pods, other);
    await rig.apply(manifest('vgg'));
    await rig.until('the refusal', () => rig.condition('vgg', 'Running') === 'False Refused');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(await rig.eventReasons('vgg'), ['Started', 'Refused'], 'one event, however often it is tried');
    await rig.stop(taken);
    await rig.runAll('vgg', 'vgg-w0-a1', 'vgg-w1-a1');
  });

  it('deletes a finished job when its time to live is over', async () => {
    await rig.apply(
      manifest('vgg', { workers: { replicas: 1 }, cleanup: { pods: 'All', ttlSecondsAfterFinished: 0 } }),
    );
    await rig.runAll('vgg', 'vgg-w0-a1');
    await rig.end('vgg-w0-a1', 0);
    await rig.until('the job gone', () => rig.status('vgg') === undefined);
    await rig.untilPods();
  });
});
