import assert from 'node:assert/strict';
import { trainingJobSpec } from '@hayate/crds/trainingjob.ts';
import * as fc from 'fast-check';
import { delaySeconds, type Ending, firstCause, judge } from './restart.ts';
import { SimulatedWorld, specOf } from './simulated-world.ts';

const ending = (rank: number, kind: Ending['class'], timeMs = 0): Ending => ({
  class: kind,
  rank,
  pod: `vgg-w${rank}-a1`,
  reason: 'R',
  message: 'm',
  timeMs,
});
const policy = trainingJobSpec.parse(specOf()).failurePolicy;

describe('firstCause', () => {
  const rankOf = (endings: [Ending, ...Ending[]]) => {
    const cause = firstCause(endings, 0, 60_000);
    return cause.kind === 'known' ? cause.ending.rank : cause;
  };

  it('takes the earliest by finish time, in whatever order they were seen', () => {
    assert.equal(rankOf([ending(0, 'killed', 2000), ending(1, 'program', 1000), ending(2, 'killed', 3000)]), 1);
  });

  it('never takes a lost peer while somebody has a reason of its own, even a later one', () => {
    assert.equal(rankOf([ending(0, 'peerLost', 0), ending(1, 'peerLost', 0), ending(2, 'killed', 2000)]), 2);
    assert.equal(rankOf([ending(0, 'peerLost', 0), ending(3, 'podDeleted', 5000)]), 3);
    assert.equal(rankOf([ending(0, 'exchangeTimeout', 0), ending(1, 'program', 500)]), 1);
  });

  it('waits for the culprit when only lost peers are known and somebody is still to end', () => {
    assert.deepEqual(firstCause([ending(0, 'peerLost', 59_000)], 1, 60_000), { kind: 'wait', delayMs: 2000 });
    assert.equal(firstCause([ending(0, 'peerLost', 57_000)], 1, 60_000).kind, 'known');
    assert.equal(firstCause([ending(0, 'peerLost', 59_000)], 0, 60_000).kind, 'known');
  });

  it('does not wait for a node whose clock is ahead', () => {
    assert.equal(firstCause([ending(0, 'peerLost', 3_600_000)], 1, 60_000).kind, 'known');
  });

  it('does not depend on the order of what it is given', () => {
    const kinds = fc.constantFrom<Ending['class']>('peerLost', 'killed', 'program', 'podDeleted', 'exchangeTimeout');
    const some = fc.array(fc.tuple(kinds, fc.nat(3)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(some, fc.infiniteStream(fc.nat()), (list, order) => {
        const endings = list.map(([kind, time], rank) => ending(rank, kind, time * 1000));
        const shuffled = endings.map((e) => ({ e, at: order.next().value as number })).sort((a, b) => a.at - b.at);
        assert.deepEqual(
          firstCause(shuffled.map(({ e }) => e) as [Ending, ...Ending[]], 0, 0),
          firstCause(endings as [Ending, ...Ending[]], 0, 0),
        );
      }),
    );
  });
});

describe('judge', () => {
  it('fails at once where a restart would fail the same way', () => {
    for (const kind of ['configuration', 'program', 'nonFinite', 'engineMissing', 'memoryPlanInfeasible'] as const) {
      assert.equal(judge(ending(0, kind), 1, [], 0, policy).kind, 'fail', kind);
    }
  });

  it('restarts what may pass, until the restarts are used', () => {
    const passing = [
      'killed',
      'peerLost',
      'outOfMemory',
      'deviceFailed',
      'podDeleted',
      'startupTimeout',
      'unknown',
    ] as const;
    for (const kind of passing) {
      assert.equal(judge(ending(0, kind), 1, [], 9, policy).kind, 'restart', kind);
      assert.equal(judge(ending(0, kind), 1, [], 10, policy).kind, 'fail', kind);
    }
  });

  it('keeps the newest ten failures, newest first, each within its bounds', () => {
    let failures: ReturnType<typeof judge>['failures'] = [];
    const long = { ...ending(0, 'killed'), message: 'x'.repeat(5000) };
    for (let attempt = 1; attempt <= 12; attempt++) failures = judge(long, attempt, failures, 0, policy).failures;
    assert.equal(failures.length, 10);
    assert.equal(failures[0]?.attempt, 12);
    assert.equal(failures[0]?.message.length, 1024);
  });
});

describe('delaySeconds', () => {
  const at = (...seconds: number[]) =>
    seconds
      .map((s, i) => ({
        attempt: i + 1,
        class: 'killed',
        reason: 'r',
        message: 'm',
        time: new Date(s * 1000).toISOString(),
      }))
      .reverse();

  it('doubles with every failure in a row, up to its bound', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) =>
        delaySeconds(at(...Array.from({ length: n }, (_, i) => i * 20)), policy.backoff),
      ),
      [5, 10, 20, 40, 80, 160, 300, 300],
    );
  });

  it('starts anew after a run of resetAfterSeconds, not counting the delay before it', () => {
    assert.equal(delaySeconds(at(0, 1800 + 5), policy.backoff), 5);
    assert.equal(delaySeconds(at(0, 1800 + 4), policy.backoff), 10);
  });
});

describe('workerState', () => {
  it('believes the termination message over the container runtime, and takes garbage as text', () => {
    const world = new SimulatedWorld();
    world.settle();
    for (const name of world.podNames) world.run(name);
    world.end('vgg-w1-a1', 12, { reason: 'Error', message: 'Killed by\nsomething' });
    world.settle();
    assert.deepEqual(
      world.status.failures?.map(({ class: kind, reason, message, exitCode }) => ({ kind, reason, message, exitCode })),
      [{ kind: 'outOfMemory', reason: 'Error', message: 'Killed by\nsomething', exitCode: 12 }],
    );
  });

  it('takes a pod that failed without an exit code (evicted, refused by its node) as failed', () => {
    const world = new SimulatedWorld();
    world.settle();
    world.change('vgg-w0-a1', { phase: 'Failed', reason: 'UnexpectedAdmissionError', message: 'no GPU left' });
    world.settle();
    assert.deepEqual(
      world.status.failures?.map((f) => [f.class, f.reason]),
      [['podFailed', 'UnexpectedAdmissionError']],
    );
  });
});
