import assert from 'node:assert/strict';
import { terminationMessage } from '@hayate/crds/worker-config.ts';
import { storageError } from './checkpoint/directory.ts';
import { ExchangeError } from './communication/exchange.ts';
import { computeError, endingOf, exitCode, terminated, terminationText } from './ending.ts';
import { MembershipError } from './membership/member.ts';
import { portInUse } from './ports.ts';

describe('endingOf', () => {
  it('gives every known error its exit code', () => {
    const failed = { kind: 'failed', reason: 'Threw', message: 'm', step: 3, blamedRank: undefined } as const;
    const cases: [unknown, number][] = [
      [computeError({ ...failed, class: 'program' }), 3],
      [computeError({ ...failed, class: 'nonFinite' }), 14],
      [computeError({ ...failed, class: 'outOfMemory' }), 12],
      [computeError({ ...failed, class: 'engineMissing' }), 15],
      [computeError({ ...failed, class: 'deviceFailed' }), 18],
      [new MembershipError('peerLost', 'm', 2), 10],
      [new MembershipError('fenced', 'm'), 16],
      [new ExchangeError('exchangeTimeout', 'm'), 11],
      [new ExchangeError('corruptFrame', 'm'), 10],
      [portInUse('h', 1, 's', new Error('EADDRINUSE')), 2],
      [storageError('d', 'w', { code: 'ENOSPC' }), 17],
      [terminated(1, 'now'), 143],
      [new TypeError('bug'), 1],
      ['thrown text', 1],
    ];
    for (const [error, code] of cases) assert.equal(exitCode(endingOf(error)), code, String(error));
  });
});

describe('terminationText', () => {
  it('stays valid JSON of at most 4 KiB, however long and strange the message', () => {
    for (const unit of ['x', '疾', '"', '\u0000', '\ud83d']) {
      const text = terminationText({ class: 'program', reason: 'Threw', message: unit.repeat(9000), step: 4 }, 2);
      assert.ok(Buffer.byteLength(text) <= 4096);
      const { rank, step, message } = terminationMessage.parse(JSON.parse(text));
      assert.deepEqual([rank, step], [2, 4]);
      assert.ok(message.length > 500);
    }
  });
});
