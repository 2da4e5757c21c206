import assert from 'node:assert/strict';
import { ApiError } from './errors.ts';
import { ManualClock } from './manual-clock.ts';
import { type Outcome, Runner } from './runner.ts';

function runner(reconcile: (key: string) => Promise<Outcome>) {
  const clock = new ManualClock();
  const results: string[] = [];
  const made = new Runner({
    clock,
    reconcile,
    concurrency: 2,
    observer: {
      reconciled: (result) => results.push(result),
      added: () => {},
      retried: () => {},
      active: () => {},
      failed: (_key, error) => results.push((error as Error).message),
    },
  });
  made.start();
  return { clock, results, runner: made };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Runner', () => {
  it('comes back when a pass asks for it', async () => {
    let passes = 0;
    const {
      clock,
      runner: made,
      results,
    } = runner(() => Promise.resolve(passes++ === 0 ? { requeueAfterMs: 500 } : {}));
    made.queue.add('a');
    await turn();
    clock.advance(500);
    await turn();
    assert.equal(passes, 2);
    assert.deepEqual(results, ['requeue_after', 'success']);
    await made.close();
  });

  it('tries a failed key again later, as late as the server asked, while others go on', async () => {
    const done: string[] = [];
    const {
      clock,
      runner: made,
      results,
    } = runner((key) => {
      if (key === 'bad')
        return Promise.reject(new ApiError(429, 'TooManyRequests', 'slow down', { retryAfterMs: 3000 }));
      done.push(key);
      return Promise.resolve({});
    });
    made.queue.add('bad');
    made.queue.add('good');
    await turn();
    assert.deepEqual(done, ['good']);
    assert.deepEqual(clock.waitingMs, [3000]);
    assert.ok(results.includes('slow down'));
    await made.close();
  });

  it('waits for the pass under way when closed, and starts no other', async () => {
    let finish = () => {};
    let passes = 0;
    const { runner: made } = runner(() => {
      passes += 1;
      return new Promise((resolve) => {
        finish = () => resolve({});
      });
    });
    made.queue.add('a');
    await turn();
    made.queue.add('a');
    let closed = false;
    const closing = made.close().then(() => (closed = true));
    await turn();
    assert.equal(closed, false);
    finish();
    await closing;
    assert.equal(passes, 1);
  });
});
