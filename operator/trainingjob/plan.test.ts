import assert from 'node:assert/strict';
import { parseWorkerConfig } from '@hayate/crds/worker-config.ts';
import { runningWorld, SimulatedWorld, specOf } from './simulated-world.ts';

const second = 1000;

describe('planJob', () => {
  it('writes the attempt first, then makes the service and one pod a rank', () => {
    const world = new SimulatedWorld();
    world.settle();
    assert.deepEqual(world.writes.slice(0, 4), [
      'status',
      'createService',
      'createPod vgg-w0-a1',
      'createPod vgg-w1-a1',
    ]);
    assert.equal(world.status.attempt, 1);
    assert.equal(world.status.phase, 'Starting');
    assert.deepEqual(world.status.workers, {
      desired: 2,
      created: 2,
      ready: 0,
      succeeded: 0,
      failed: 0,
      summary: '0/2',
    });
    assert.equal(world.status.selector, 'hayate.dev/job=vgg');
  });

  it('tells every rank the same peers and its own number', () => {
    const world = new SimulatedWorld();
    world.settle();
    const configs = world.podNames.map((name) => {
      const parsed = parseWorkerConfig(world.pod(name).spec.containers[0]?.env?.at(-1)?.value);
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.problems.join());
      return parsed.config;
    });
    assert.deepEqual(
      configs.map((c) => c.rank),
      [0, 1],
    );
    assert.deepEqual(configs[1]?.peers, ['vgg-w0.vgg.n.svc:29600', 'vgg-w1.vgg.n.svc:29600']);
    assert.deepEqual(configs[1]?.job, { uid: 'job-1', namespace: 'n', name: 'vgg', attempt: 1 });
  });

  it('is Running when all are ready, and Succeeded only when all have finished', () => {
    const world = new SimulatedWorld();
    world.settle();
    world.run('vgg-w0-a1');
    world.settle();
    assert.equal(world.status.phase, 'Starting');
    world.run('vgg-w1-a1');
    world.settle();
    assert.equal(world.status.phase, 'Running');
    world.end('vgg-w0-a1', 0);
    world.settle();
    assert.equal(world.status.phase, 'Running');
    world.end('vgg-w1-a1', 0);
    world.settle();
    assert.equal(world.condition('Succeeded'), 'True AllWorkersSucceeded');
    assert.equal(world.condition('Running'), 'False Succeeded');
    assert.deepEqual(world.events, ['Started', 'Running', 'Succeeded']);
    assert.notEqual(world.status.completionTime, undefined);
  });

  it('plans nothing for an unchanged world', () => {
    const world = runningWorld();
    const writes = world.writes.length;
    world.nowMs += 3600 * second;
    assert.equal(world.pass(), 0);
    assert.equal(world.writes.length, writes);
  });

  it('never runs a finished job again, whatever becomes of its pods', () => {
    const world = runningWorld();
    for (const name of world.podNames) world.end(name, 0);
    world.settle();
    for (const name of world.podNames) world.remove(name);
    world.edit({ suspend: true });
    world.settle();
    assert.equal(world.status.phase, 'Succeeded');
    assert.deepEqual(world.podNames, []);
  });

  it('restarts the whole group under the next attempt after the backoff, once for two failures at once', () => {
    const world = runningWorld();
    world.end('vgg-w0-a1', 10);
    world.end('vgg-w1-a1', 137);
    world.settle();
    assert.equal(world.status.phase, 'Restarting');
    assert.deepEqual(world.status.restarts, { counted: 1, nextTime: '2026-01-01T00:00:05.000Z' });
    assert.equal(world.status.failures?.[0]?.pod, 'vgg-w1-a1');
    assert.deepEqual(world.podNames, []);
    assert.equal(world.plan()?.requeueAfterMs, 5 * second);
    world.nowMs += 5 * second;
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2']);
    assert.deepEqual(world.status.restarts, { counted: 1 });
    assert.equal(world.condition('Restarting'), 'True Killed');
    for (const name of world.podNames) world.run(name);
    world.settle();
    assert.equal(world.condition('Restarting'), 'False Running');
  });

  it('waits until every pod of the old attempt is gone', () => {
    const world = runningWorld();
    world.end('vgg-w1-a1', 137);
    world.settle();
    world.nowMs += 60 * second;
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a1'], 'the survivor is still terminating');
    world.remove('vgg-w0-a1');
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2']);
  });

  it('keeps the exit code of a pod that is gone before the operator acts', () => {
    const world = runningWorld();
    world.end('vgg-w1-a1', 2, {
      message: '{"class":"configuration","reason":"BadPeers","rank":1,"message":"peers: none"}',
    });
    world.pass(1);
    world.remove('vgg-w1-a1');
    world.settle();
    assert.equal(world.status.phase, 'Failed');
    assert.equal(world.condition('Failed'), 'True Configuration');
    assert.match(
      world.status.conditions?.find((c) => c.type === 'Failed')?.message ?? '',
      /rank 1.*exit code 2.*BadPeers: peers: none/,
    );
  });

  it('fails when the restarts are used up, leaving nothing running', () => {
    const world = runningWorld({ failurePolicy: { maxRestarts: 1 } });
    world.end('vgg-w0-a1', 137);
    world.settle();
    world.remove('vgg-w1-a1');
    world.nowMs += 5 * second;
    world.settle();
    for (const name of world.podNames) world.run(name);
    world.settle();
    world.end('vgg-w1-a2', 1);
    world.settle();
    assert.equal(world.condition('Failed'), 'True MaxRestartsReached');
    assert.equal(world.status.restarts?.counted, 1);
    assert.notEqual(world.pod('vgg-w0-a2').metadata.deletionTimestamp, undefined);
  });

  it('restarts the group when somebody deletes a worker', () => {
    const world = runningWorld();
    world.remove('vgg-w1-a1');
    world.settle();
    assert.equal(world.status.phase, 'Restarting');
    assert.deepEqual(
      world.status.failures?.map((f) => [f.class, f.rank]),
      [['podDeleted', 1]],
    );
  });

  it('makes a missing worker again while the group was never complete', () => {
    const world = new SimulatedWorld();
    world.pass();
    world.pass(2);
    assert.deepEqual(world.podNames, ['vgg-w0-a1']);
    world.remove('vgg-w0-a1');
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a1', 'vgg-w1-a1']);
    assert.equal(world.status.restarts?.counted, 0);
  });

  it('counts a start that takes too long as a failure and names who was late', () => {
    const world = new SimulatedWorld(specOf({ limits: { startupSeconds: 30 } }));
    world.settle();
    world.run('vgg-w0-a1');
    world.change('vgg-w1-a1', {
      phase: 'Pending',
      containerStatuses: [{ name: 'worker', state: { waiting: { reason: 'ErrImagePull' } } }],
    });
    world.settle();
    assert.match(
      world.status.conditions?.find((c) => c.type === 'Running')?.message ?? '',
      /vgg-w1-a1 waits: ImagePullBackOff/,
    );
    assert.equal(world.plan()?.requeueAfterMs, 30 * second);
    world.nowMs += 30 * second;
    world.settle();
    assert.deepEqual(
      world.status.failures?.map((f) => [f.class, f.pod]),
      [['startupTimeout', 'vgg-w1-a1']],
    );
    assert.equal(world.status.restarts?.counted, 1);
  });

  it('deletes a pod of an older attempt before it makes new ones', () => {
    const world = new SimulatedWorld();
    world.settle();
    const stale = { ...world.pod('vgg-w0-a1'), status: { phase: 'Running' } };
    for (const name of ['vgg-w0-a1', 'vgg-w1-a1']) world.end(name, 137);
    world.settle();
    world.pods.put({ ...stale, metadata: { ...stale.metadata, resourceVersion: '99999' } });
    world.nowMs += 5 * second;
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a1']);
    assert.notEqual(world.pod('vgg-w0-a1').metadata.deletionTimestamp, undefined);
    world.remove('vgg-w0-a1');
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2']);
  });

  it('never takes a smaller attempt than its pods carry, even from a status somebody wiped', () => {
    const world = runningWorld();
    world.jobs.put({
      ...world.job!,
      metadata: { ...world.job!.metadata, resourceVersion: 'wiped' },
      status: { attempt: -7 },
    });
    world.settle();
    assert.equal(world.status.attempt, 1);
    assert.equal(world.status.phase, 'Running');
  });

  it('ignores pods of a deleted job of the same name', () => {
    const world = new SimulatedWorld();
    world.settle();
    const other = world.pod('vgg-w0-a1');
    const owner = { ...other.metadata.ownerReferences![0]!, uid: 'job-0' };
    world.pods.put({
      ...other,
      metadata: { ...other.metadata, name: 'vgg-w0-a9', uid: 'x', ownerReferences: [owner] },
    });
    assert.equal(world.pass(), 0);
  });

  it('repairs the service that names the workers', () => {
    const world = runningWorld();
    world.services.remove(world.services.list()[0]!);
    world.settle();
    const service = world.services.list()[0]!;
    assert.equal(service.spec.publishNotReadyAddresses, true);
    const broken = { ...service.spec, publishNotReadyAddresses: false };
    world.services.put({ ...service, metadata: { ...service.metadata, resourceVersion: 'x' }, spec: broken });
    assert.deepEqual(
      world.plan()?.actions.map((action) => action.kind),
      ['patchService'],
    );
  });

  it('leaves everything alone while the job is being deleted', () => {
    const world = runningWorld();
    world.end('vgg-w0-a1', 137);
    const job = world.job!;
    world.jobs.put({
      ...job,
      metadata: { ...job.metadata, resourceVersion: 'x', deletionTimestamp: '2026-01-01T00:00:00Z' },
    });
    assert.equal(world.pass(), 0);
  });

  it('names all problems of an invalid spec, makes nothing, and goes on when it is corrected', () => {
    const world = new SimulatedWorld({ workers: { replicas: 0 }, training: { globalBatchSize: 4, steps: -1 } });
    world.settle();
    assert.equal(world.condition('Accepted'), 'False Invalid');
    const message = world.status.conditions?.[0]?.message ?? '';
    for (const field of ['spec.workers.replicas', 'spec.training.steps', 'spec.training.program']) {
      assert.ok(message.includes(field), `${field} in: ${message}`);
    }
    assert.deepEqual(world.writes, ['status']);
    world.edit(specOf());
    world.settle();
    assert.equal(world.condition('Accepted'), 'True Valid');
    assert.equal(world.podNames.length, 2);
  });
});
