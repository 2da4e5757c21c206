import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Phase } from './schedule/priority.ts';
import { type QueuedSend, SendQueue } from './send-queue.ts';

const sends: fc.Arbitrary<QueuedSend[]> = fc
  .array(
    fc.record({
      bucket: fc.nat(5),
      step: fc.nat(1),
      layer: fc.nat(5),
      chunk: fc.nat(5),
      bytes: fc.integer({ min: 1, max: 100 }),
      phase: fc.constantFrom<Phase>('gather', 'scatter', 'result'),
    }),
    { maxLength: 30 },
  )
  .map((list) => list.map((send, ready) => ({ ...send, ready })));

function drain(queue: SendQueue): QueuedSend[] {
  const out: QueuedSend[] = [];
  for (let send = queue.next(); send !== undefined; send = queue.next()) out.push(send);
  return out;
}

describe('SendQueue', () => {
  it('sends the lowest layer first, and of one layer results before contributions', () => {
    fc.assert(
      fc.property(sends, (list) => {
        const queue = new SendQueue('Priority');
        queue.grant(1e6);
        for (const send of list) queue.add(send);
        const out = drain(queue);
        assert.equal(out.length, list.length);
        for (const [i, b] of out.entries()) {
          const a = out[i - 1];
          if (a === undefined) continue;
          assert.ok(a.layer <= b.layer);
          if (a.layer === b.layer) assert.ok(a.phase === b.phase || b.phase !== 'result');
        }
      }),
    );
  });

  it('sends in order of readiness under Fifo', () => {
    fc.assert(
      fc.property(sends, (list) => {
        const queue = new SendQueue('Fifo');
        queue.grant(1e6);
        for (const send of list) queue.add(send);
        assert.deepEqual(drain(queue), list);
      }),
    );
  });

  it('never sends more than it was granted, and everything once it is granted enough', () => {
    fc.assert(
      fc.property(sends, fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 20 }), (list, grants) => {
        const queue = new SendQueue('Priority');
        for (const send of list) queue.add(send);
        let granted = 0;
        let sent = 0;
        for (const bytes of [...grants, 100 * 30]) {
          queue.grant(bytes);
          granted += bytes;
          for (const send of drain(queue)) sent += send.bytes;
          assert.ok(sent <= granted);
        }
        assert.equal(
          sent,
          list.reduce((sum, send) => sum + send.bytes, 0),
        );
      }),
    );
  });

  it('lets an urgent chunk overtake what has not left', () => {
    const queue = new SendQueue('Priority');
    const send = { step: 0, chunk: 0, phase: 'scatter', bytes: 10 } as const;
    queue.add({ ...send, bucket: 7, layer: 7, ready: 0 });
    queue.add({ ...send, bucket: 1, layer: 1, ready: 1 });
    queue.grant(10);
    assert.equal(queue.next()?.bucket, 1);
    assert.equal(queue.next(), undefined);
    assert.ok(queue.has(7));
  });
});
