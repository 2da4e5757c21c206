import { crc32 } from 'node:zlib';
import type { Phase } from '../schedule/priority.ts';

/** `probe` frames carry nothing that is kept: calibration times them. */
export type FramePhase = Phase | 'probe';

export interface Header {
  phase: FramePhase;
  source: number;
  /** See fence.ts. */
  fence: bigint;
  /** Which plan of the group the bucket belongs to: how many had been opened before. */
  plan: number;
  step: number;
  bucket: number;
  chunk: number;
  /** Of the payload in the bucket, in elements. */
  offset: number;
}

export interface Frame extends Header {
  payload: Uint8Array;
}

/** Why bytes are no frame of ours. `otherAttempt`: whole, but not meant for this attempt; everything else is damage. */
export type FrameDefect = 'truncated' | 'overlong' | 'noFrame' | 'otherVersion' | 'flipped' | 'otherAttempt';

export type Decoded = { kind: 'frame'; frame: Frame } | { kind: 'defect'; defect: FrameDefect };

/**
 * 43 bytes: with gRPC's own 5 before them, payloads start on 8 bytes. Little endian: magic u32, version u8, phase u8, source u16, fence
 * u64, step u32, bucket u32, chunk u32, offset u32, payload length u32, crc32 u32 over all but itself, plan u16, reserved u8.
 */
export const headerBytes = 43;
/** Largest payload that a transport has to carry. */
export const maxPayloadBytes = 1 << 20;
const crcOffset = 36;
const magic = 0x31_54_59_48; // "HYT1"
const version = 1;
const phases: readonly FramePhase[] = ['gather', 'scatter', 'result', 'probe'];

/** Header and payload in one buffer, the start of `space` when that is given; the payload is copied. */
export function encodeFrame(header: Header, payload: Uint8Array, space?: Buffer): Buffer {
  const length = headerBytes + payload.length;
  const bytes = space?.subarray(0, length) ?? Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt8(version, 4);
  bytes.writeUInt8(phases.indexOf(header.phase), 5);
  bytes.writeUInt16LE(header.source, 6);
  bytes.writeBigUInt64LE(header.fence, 8);
  bytes.writeUInt32LE(header.step, 16);
  bytes.writeUInt32LE(header.bucket, 20);
  bytes.writeUInt32LE(header.chunk, 24);
  bytes.writeUInt32LE(header.offset, 28);
  bytes.writeUInt32LE(payload.length, 32);
  bytes.writeUInt16LE(header.plan, 40);
  bytes.writeUInt8(0, 42);
  bytes.set(payload, headerBytes);
  bytes.writeUInt32LE(checksum(bytes), crcOffset);
  return bytes;
}

/** Reads a frame of the attempt `fence`. The payload is a view of `bytes`. Never throws. */
export function decodeFrame(bytes: Buffer, fence: bigint): Decoded {
  if (bytes.length < headerBytes) return { kind: 'defect', defect: 'truncated' };
  if (bytes.readUInt32LE(0) !== magic) return { kind: 'defect', defect: 'noFrame' };
  if (bytes.readUInt8(4) !== version) return { kind: 'defect', defect: 'otherVersion' };
  const length = bytes.readUInt32LE(32);
  if (bytes.length < headerBytes + length) return { kind: 'defect', defect: 'truncated' };
  if (bytes.length > headerBytes + length) return { kind: 'defect', defect: 'overlong' };
  const phase = phases[bytes.readUInt8(5)];
  if (phase === undefined || bytes.readUInt32LE(crcOffset) !== checksum(bytes))
    return { kind: 'defect', defect: 'flipped' };
  if (bytes.readBigUInt64LE(8) !== fence) return { kind: 'defect', defect: 'otherAttempt' };
  return {
    kind: 'frame',
    frame: {
      phase,
      source: bytes.readUInt16LE(6),
      fence,
      plan: bytes.readUInt16LE(40),
      step: bytes.readUInt32LE(16),
      bucket: bytes.readUInt32LE(20),
      chunk: bytes.readUInt32LE(24),
      offset: bytes.readUInt32LE(28),
      payload: bytes.subarray(headerBytes),
    },
  };
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(crcOffset + 4), crc32(bytes.subarray(0, crcOffset)));
}
