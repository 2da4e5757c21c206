import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ManualClock } from './manual-clock.ts';
import { KeyedQueue } from './queue.ts';

describe('KeyedQueue', () => {
  const make = () => {
    const clock = new ManualClock();
    return { clock, queue: new KeyedQueue({ clock }) };
  };

  it('hands out a key once, however often it was added', async () => {
    const { queue } = make();
    for (let i = 0; i < 5; i++) queue.add('a');
    assert.equal(queue.depth, 1);
    assert.equal(await queue.take(), 'a');
    queue.done('a');
    assert.equal(queue.depth, 0);
  });

  it('brings a key that was added during its work back afterwards, once, and never before', async () => {
    const { queue } = make();
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    assert.equal(queue.depth, 0);
    queue.done('a');
    assert.equal(queue.depth, 1);
  });

  it('adds a key after a delay; the soonest of several counts', () => {
    const { clock, queue } = make();
    queue.addAfter('a', 1000);
    queue.addAfter('a', 300);
    queue.addAfter('a', 700);
    clock.advance(299);
    assert.equal(queue.depth, 0);
    clock.advance(1);
    assert.equal(queue.depth, 1);
    assert.deepEqual(clock.waitingMs, []);
  });

  it('doubles the delay with every failure, up to a bound, and starts anew once forgotten', () => {
    const clock = new ManualClock();
    const queue = new KeyedQueue({ clock, firstDelayMs: 5, maxDelayMs: 30 });
    const delays = [1, 2, 3, 4].map(() => {
      queue.addAfterFailure('a');
      const [delay] = clock.waitingMs;
      clock.advance(delay ?? 0);
      return delay;
    });
    assert.deepEqual(delays, [5, 10, 20, 30]);
    queue.forget('a');
    queue.addAfterFailure('a');
    assert.deepEqual(clock.waitingMs, [5]);
  });

  it('waits at least as long as the server asked', () => {
    const { clock, queue } = make();
    queue.addAfterFailure('a', 2000);
    assert.deepEqual(clock.waitingMs, [2000]);
  });

  it('ends those who wait, and leaves no timer, when closed', async () => {
    const { clock, queue } = make();
    queue.addAfter('a', 1000);
    const waiting = queue.take();
    queue.close();
    assert.equal(await waiting, undefined);
    assert.equal(await queue.take(), undefined);
    assert.deepEqual(clock.waitingMs, []);
  });

  it('never works on a key twice at a time and loses no addition, in any order of events', async () => {
    const move = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('take' as const), key: fc.constant('') }),
      fc.record({ kind: fc.constant('done' as const), key: fc.constantFrom('a', 'b', 'c') }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 40 }), async (moves) => {
        const { queue } = make();
        const working = new Set<string>();
        const owed = new Set<string>();
        const take = async () => {
          const key = (await queue.take())!;
          assert.ok(!working.has(key), `${key} twice`);
          assert.ok(owed.delete(key), `${key} was not asked for`);
          working.add(key);
        };
        for (const { kind, key } of moves) {
          if (kind === 'add') {
            queue.add(key);
            owed.add(key);
          } else if (kind === 'done' && working.delete(key)) queue.done(key);
          else if (kind === 'take' && queue.depth > 0) await take();
        }
        for (const key of working) queue.done(key);
        working.clear();
        while (queue.depth > 0) await take();
        assert.deepEqual([...owed], []);
      }),
    );
  });
});
