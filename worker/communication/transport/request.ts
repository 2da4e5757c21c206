/** What a receiver asks of a sender. */
export type Request =
  /** The sender may have `bytes` more of plan `plan` under way. */
  | { kind: 'credit'; plan: number; bytes: number }
  /** Send `count` probe frames of `bytes`. */
  | { kind: 'probe'; count: number; bytes: number };

const requestBytes = 12;
const maxProbeBytes = 1 << 20;
const maxProbes = 4096;

export function encodeRequest(request: Request): Buffer {
  const bytes = Buffer.alloc(requestBytes);
  bytes.writeUInt8(request.kind === 'credit' ? 1 : 2, 0);
  bytes.writeUInt32LE(request.kind === 'credit' ? request.plan : request.count, 4);
  bytes.writeUInt32LE(request.bytes, 8);
  return bytes;
}

/** Undefined when `bytes` are no request. */
export function decodeRequest(bytes: Buffer): Request | undefined {
  if (bytes.length !== requestBytes) return undefined;
  const first = bytes.readUInt32LE(4);
  const second = bytes.readUInt32LE(8);
  switch (bytes.readUInt8(0)) {
    case 1:
      return { kind: 'credit', plan: first, bytes: second };
    case 2:
      return first <= maxProbes && second <= maxProbeBytes ? { kind: 'probe', count: first, bytes: second } : undefined;
    default:
      return undefined;
  }
}
