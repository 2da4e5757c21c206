import assert from 'node:assert/strict';
import { ApiError } from './errors.ts';
import { EventRecorder } from './events.ts';
import { ManualClock } from './manual-clock.ts';
import type { KubeObject } from './object.ts';

const job: KubeObject = {
  apiVersion: 'hayate.dev/v1alpha1',
  kind: 'TrainingJob',
  metadata: { name: 'vgg', namespace: 'vision', uid: 'u-1' },
};

function recorder(fail = false) {
  const clock = new ManualClock();
  const calls: unknown[][] = [];
  const errors: unknown[] = [];
  const call = (...args: unknown[]) => {
    calls.push(args);
    return fail ? Promise.reject(new ApiError(403, 'Forbidden', 'no')) : Promise.resolve({} as never);
  };
  const client = { create: call, mergePatch: call };
  const events = new EventRecorder({ client, clock, component: 'op', onError: (error) => errors.push(error) });
  return { clock, calls, errors, events };
}

describe('EventRecorder', () => {
  const happening = { type: 'Warning', reason: 'Refused', message: 'quota exceeded' } as const;

  it('writes an event into the namespace of its object', async () => {
    const { events, calls } = recorder();
    await events.record(job, happening);
    const event = calls[0]?.[1] as { metadata: { namespace: string }; involvedObject: object; count: number };
    assert.equal(event.metadata.namespace, 'vision');
    assert.deepEqual(event.involvedObject, {
      apiVersion: 'hayate.dev/v1alpha1',
      kind: 'TrainingJob',
      namespace: 'vision',
      name: 'vgg',
      uid: 'u-1',
    });
    assert.equal(event.count, 1);
  });

  it('raises the count of a happening that repeats, now and then, instead of writing another', async () => {
    const { events, calls, clock } = recorder();
    for (let i = 0; i < 100; i++) {
      await events.record(job, happening);
      clock.advance(1000);
    }
    assert.equal(calls.length, 10);
    assert.partialDeepStrictEqual(calls[9]?.[3], { count: 91 });
  });

  it('keeps the same happenings of two objects apart', async () => {
    const { events, calls } = recorder();
    await events.record(job, happening);
    await events.record({ ...job, metadata: { ...job.metadata, uid: 'u-2' } }, happening);
    const names = calls.map((call) => (call[1] as KubeObject).metadata.name);
    assert.equal(new Set(names).size, 2);
  });

  it('reports an event that could not be written and goes on', async () => {
    const { events, errors } = recorder(true);
    await events.record(job, happening);
    assert.equal(errors.length, 1);
  });
});
