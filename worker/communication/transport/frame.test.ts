import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { decodeFrame, encodeFrame, type Header, headerBytes } from './frame.ts';
import { decodeRequest, encodeRequest } from './request.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const headers: fc.Arbitrary<Header> = fc.record({
  phase: fc.constantFrom('gather', 'scatter', 'result', 'probe'),
  source: u16,
  fence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  plan: u16,
  step: u32,
  bucket: u32,
  chunk: u32,
  offset: u32,
});
const payloads = fc.uint8Array({ maxLength: 300 });

describe('frames', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(headers, payloads, (header, payload) => {
        const decoded = decodeFrame(encodeFrame(header, payload), header.fence);
        assert.ok(decoded.kind === 'frame');
        const { payload: back, ...rest } = decoded.frame;
        assert.deepEqual(rest, { ...header });
        assert.deepEqual(new Uint8Array(back), payload);
      }),
    );
  });

  it('start their payload on 8 bytes behind the five of gRPC', () => {
    assert.equal((headerBytes + 5) % 8, 0);
  });

  it('are refused when any bit was flipped', () => {
    fc.assert(
      fc.property(headers, payloads, fc.nat(), fc.integer({ min: 0, max: 7 }), (header, payload, at, bit) => {
        const bytes = encodeFrame(header, payload);
        bytes[at % bytes.length]! ^= 1 << bit;
        const decoded = decodeFrame(bytes, header.fence);
        assert.equal(decoded.kind, 'defect');
        assert.notEqual(decoded.kind === 'defect' && decoded.defect, 'otherAttempt');
      }),
    );
  });

  it('are refused when they are cut short or have a tail', () => {
    fc.assert(
      fc.property(headers, payloads, fc.nat(), (header, payload, at) => {
        const bytes = encodeFrame(header, payload);
        const cut = bytes.subarray(0, at % bytes.length);
        assert.deepEqual(decodeFrame(cut, header.fence), { kind: 'defect', defect: 'truncated' });
        const long = Buffer.concat([bytes, Buffer.alloc(1)]);
        assert.deepEqual(decodeFrame(long, header.fence), { kind: 'defect', defect: 'overlong' });
      }),
    );
  });

  it('of another attempt are told from damaged ones', () => {
    fc.assert(
      fc.property(headers, payloads, (header, payload) => {
        const decoded = decodeFrame(encodeFrame(header, payload), header.fence ^ 1n);
        assert.deepEqual(decoded, { kind: 'defect', defect: 'otherAttempt' });
      }),
    );
  });

  it('are never made of random bytes, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.equal(decodeFrame(Buffer.from(bytes), 0n).kind, 'defect');
      }),
    );
  });

  it('of another version are named as such', () => {
    const bytes = encodeFrame(
      { phase: 'probe', source: 0, fence: 0n, plan: 0, step: 0, bucket: 0, chunk: 0, offset: 0 },
      new Uint8Array(0),
    );
    bytes[4] = 9;
    assert.deepEqual(decodeFrame(bytes, 0n), { kind: 'defect', defect: 'otherVersion' });
  });
});

describe('requests', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(u32, u32, (plan, bytes) => {
        const request = { kind: 'credit', plan, bytes } as const;
        assert.deepEqual(decodeRequest(encodeRequest(request)), request);
      }),
    );
    const probe = { kind: 'probe', count: 4096, bytes: 1 << 20 } as const;
    assert.deepEqual(decodeRequest(encodeRequest(probe)), probe);
  });

  it('are refused when they ask for more than a peer may be made to send', () => {
    assert.equal(decodeRequest(encodeRequest({ kind: 'probe', count: 4097, bytes: 1 })), undefined);
    assert.equal(decodeRequest(encodeRequest({ kind: 'probe', count: 1, bytes: 2 ** 31 })), undefined);
  });

  it('throw nothing for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const request = decodeRequest(Buffer.from(bytes));
        assert.ok(request === undefined || bytes.length === 12);
      }),
    );
  });
});
