import assert from 'node:assert/strict';
import { runningWorld, SimulatedWorld, specOf } from './simulated-world.ts';

const second = 1000;

describe('planJob: suspend', () => {
  it('makes no pod for a job created suspended, and starts attempt 1 on resume', () => {
    const world = new SimulatedWorld(specOf({ suspend: true }));
    world.settle();
    assert.equal(world.status.phase, 'Suspended');
    assert.deepEqual(world.podNames, []);
    world.edit({ suspend: false });
    world.settle();
    assert.equal(world.status.attempt, 1);
    assert.equal(world.condition('Suspended'), 'False Resumed');
    assert.equal(world.podNames.length, 2);
  });

  it('finishes the teardown before it starts again, even when resumed at once, and counts nothing', () => {
    const world = runningWorld();
    world.edit({ suspend: true });
    world.pass();
    world.edit({ suspend: false });
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a1', 'vgg-w1-a1'], 'still terminating');
    world.end('vgg-w0-a1', 143);
    world.remove('vgg-w0-a1');
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w1-a1']);
    world.remove('vgg-w1-a1');
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2']);
    assert.equal(world.status.restarts?.counted, 0);
  });

  it('scales while suspended', () => {
    const world = runningWorld();
    world.edit({ suspend: true });
    world.settle();
    for (const name of world.podNames) world.remove(name);
    world.edit({ workers: { replicas: 3 } });
    world.settle();
    assert.equal(world.status.workers?.summary, '0/3');
    world.edit({ suspend: false });
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2', 'vgg-w2-a2']);
  });

  it('starts the group anew, uncounted, if replicas change although it runs', () => {
    const world = runningWorld();
    world.edit({ workers: { replicas: 3 } });
    world.settle();
    for (const name of world.podNames) world.remove(name);
    world.settle();
    assert.deepEqual(world.podNames, ['vgg-w0-a2', 'vgg-w1-a2', 'vgg-w2-a2']);
    assert.equal(world.status.restarts?.counted, 0);
  });

  it('drops a waiting restart without spending another one', () => {
    const world = runningWorld();
    for (const name of world.podNames) world.end(name, 137);
    world.settle();
    world.edit({ suspend: true });
    world.settle();
    world.edit({ suspend: false });
    world.settle();
    assert.deepEqual(world.status.restarts, { counted: 1 });
    assert.equal(world.status.attempt, 2);
  });
});

describe('planJob: cleanup', () => {
  const finishedWorld = (cleanup: object) => {
    const world = runningWorld({ cleanup, failurePolicy: { maxRestarts: 0 } });
    world.end('vgg-w0-a1', 3);
    world.settle();
    assert.equal(world.status.phase, 'Failed');
    return world;
  };

  it('deletes what still runs, by default', () => {
    assert.deepEqual(finishedWorld({ pods: 'Running' }).writes.at(-1), 'deletePod vgg-w1-a1');
  });

  it('keeps every pod when asked to', () => {
    assert.equal(finishedWorld({ pods: 'None' }).writes.at(-1), 'status');
  });

  it('deletes every pod when asked to', () => {
    assert.deepEqual(finishedWorld({ pods: 'All' }).writes.slice(-2), ['deletePod vgg-w0-a1', 'deletePod vgg-w1-a1']);
  });

  it('deletes the job itself when its time to live is over, also when nobody looked at that moment', () => {
    const world = finishedWorld({ pods: 'None', ttlSecondsAfterFinished: 60 });
    assert.equal(world.plan()?.requeueAfterMs, 60 * second);
    world.nowMs += 3600 * second;
    world.settle();
    assert.equal(world.job, undefined);
  });
});

describe('planJob: progress', () => {
  const report = (step: number, attempt = 1) => ({
    job: { uid: 'job-1', attempt },
    step,
    totalSteps: 3,
    loss: 1.23456789,
    engine: 'wasm',
    memory: { predictedBytes: 123_456_789, measuredBytes: 123_456_789 },
    checkpoint: { step: 1, time: '2026-01-01T00:00:00Z' },
  });

  it('asks rank 0 of the running attempt', () => {
    const world = runningWorld();
    assert.deepEqual(world.plan()?.reportSource, { uid: 'job-1', attempt: 1, address: '127.0.0.9' });
  });

  it('writes a report at most every 15 s, and the last one at the end at once', () => {
    const world = runningWorld();
    world.report = report(1);
    world.settle();
    assert.equal(world.status.progress?.loss, '1.23457');
    assert.equal(world.status.progress?.memory?.predicted, '123456789');
    assert.equal(world.status.checkpoint?.step, 1);
    world.report = report(2);
    world.nowMs += 14 * second;
    assert.equal(world.pass(), 0);
    world.nowMs += second;
    world.settle();
    assert.equal(world.status.progress?.step, 2);
    world.report = { ...report(2), loss: 0.5 };
    for (const name of world.podNames) world.end(name, 0);
    world.settle();
    assert.equal(world.status.progress?.loss, '0.5');
    assert.equal(world.status.progress?.step, 3, 'a job that succeeded has done all its steps');
  });

  it('does not write the same report twice', () => {
    const world = runningWorld();
    world.report = report(1);
    world.settle();
    world.nowMs += 60 * second;
    assert.equal(world.pass(), 0);
  });

  it('ignores the report of another attempt', () => {
    const world = runningWorld();
    world.report = report(2, 7);
    assert.equal(world.pass(), 0);
    assert.equal(world.status.progress, undefined);
  });
});
