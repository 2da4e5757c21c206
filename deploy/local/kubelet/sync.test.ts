import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Grant } from './gpus.ts';
import type { Pod } from './pod.ts';
import { type ProcessState, planSync, type RunningProcess } from './sync.ts';

const nowMs = 1_000_000;
const granted: Grant = { ok: true, gpus: [] };
const running: RunningProcess = { kind: 'running', pid: 7, ip: '127.64.0.1', startedMs: 0, ready: true };
const ended: ProcessState = {
  kind: 'ended',
  startedMs: 0,
  finishedMs: 1,
  exitCode: 0,
  reason: 'Completed',
  message: '',
};

function pod(metadata: Partial<Pod['metadata']> = {}, rest: Partial<Pod> = {}): Pod {
  const spec = { containers: [{ name: 'worker' }], ...rest.spec };
  return { ...rest, metadata: { name: 'a', namespace: 'n', uid: 'u', ...metadata }, spec };
}
const deleted = (graceSeconds: number) => pod({ deletionTimestamp: 'x', deletionGracePeriodSeconds: graceSeconds });
const kinds = (p: Pod | undefined, process: ProcessState) =>
  planSync(p, process, 'local', nowMs, granted).actions.map((action) => action.kind);

describe('planSync', () => {
  it('starts a new pod and leaves a finished one of an earlier kubelet alone', () => {
    assert.deepEqual(kinds(pod(), { kind: 'none' }), ['start', 'report']);
    assert.deepEqual(kinds(pod({}, { status: { phase: 'Failed' } }), { kind: 'none' }), []);
  });

  it('lets a pod wait for which nothing is free, but not one that was deleted', () => {
    const none: Grant = { ok: false, message: 'nothing is free' };
    const plan = (p: Pod) => planSync(p, { kind: 'none' }, 'local', nowMs, none);
    assert.deepEqual(plan(pod()), { actions: [{ kind: 'wait', message: 'nothing is free' }] });
    assert.deepEqual(plan(deleted(30)), { actions: [{ kind: 'finalize' }] });
    assert.deepEqual(planSync(pod(), running, 'local', nowMs, none).actions, [{ kind: 'report' }]);
  });

  it('does not touch a pod that is bound to another node', () => {
    assert.deepEqual(kinds(pod({}, { spec: { nodeName: 'other', containers: [] } }), { kind: 'none' }), []);
  });

  it('terminates with the grace of the deletion and wakes up when it is over', () => {
    const plan = planSync(deleted(30), running, 'local', nowMs, granted);
    assert.deepEqual(plan, {
      actions: [{ kind: 'terminate', graceSeconds: 30, killAtMs: nowMs + 30_000 }],
      wakeInMs: 30_000,
    });
  });

  it('takes the grace period of the pod when the deletion names none', () => {
    const own = pod({ deletionTimestamp: 'x' }, { spec: { terminationGracePeriodSeconds: 5, containers: [] } });
    assert.equal(planSync(own, running, 'local', nowMs, granted).wakeInMs, 5000);
  });

  it('waits while the grace lasts, then kills, once', () => {
    const stopping = { ...running, stopping: { graceSeconds: 30, killAtMs: nowMs + 10 } };
    assert.equal(planSync(deleted(30), stopping, 'local', nowMs, granted).wakeInMs, 10);
    const due = { ...running, stopping: { graceSeconds: 30, killAtMs: nowMs } };
    assert.deepEqual(kinds(deleted(30), due), ['kill']);
    assert.deepEqual(kinds(deleted(30), { ...due, killed: true }), []);
  });

  it('lets a later deletion shorten the grace period and never lengthen it', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(1_000_000), (before, after, leftMs) => {
        const killAtMs = nowMs + 1 + leftMs;
        const plan = planSync(
          deleted(after),
          { ...running, stopping: { graceSeconds: before, killAtMs } },
          'local',
          nowMs,
          granted,
        );
        const [action] = plan.actions;
        const newKillAtMs = action?.kind === 'terminate' ? action.killAtMs : killAtMs;
        assert.ok(newKillAtMs <= killAtMs);
        assert.equal(plan.wakeInMs, newKillAtMs - nowMs);
      }),
    );
  });

  it('reports the end before it lets the API forget a deleted pod', () => {
    assert.deepEqual(kinds(deleted(30), ended), ['report', 'finalize']);
    assert.deepEqual(kinds(deleted(30), { kind: 'none' }), ['finalize']);
  });

  it('kills what runs for a pod that is gone and forgets it when it has ended', () => {
    assert.deepEqual(kinds(undefined, running), ['kill']);
    assert.deepEqual(kinds(undefined, ended), ['forget']);
  });
});
