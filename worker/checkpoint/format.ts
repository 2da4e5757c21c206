import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { StateTensor, TrainingState } from './state.ts';

/*
 * A checkpoint file, little-endian:
 *   0  magic "HAYATECK"
 *   8  u32 version        12  u32 length of the header in bytes
 *  16  sha256 of bytes 0…15 and of the header
 *  48  header: JSON, padded with zeros to a multiple of 64 bytes from the start of the file
 *      tensors: float32, each at the next multiple of 64, zeros between
 * Every byte is covered by a digest or must be zero, and the length of the file follows from the header.
 */
const magic = 'HAYATECK';
const version = 1;
export const prefixBytes = 48;
const alignment = 64;
const maxHeaderBytes = 16 << 20;

const digestText = z.string().regex(/^[0-9a-f]{64}$/);
const headerSchema = z.strictObject({
  jobUid: z.string().min(1).max(256),
  step: z.int().min(0),
  tensors: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(1024),
        shape: z.array(z.int().min(0)).max(16),
        sha256: digestText,
      }),
    )
    .max(100_000),
});
type Header = z.output<typeof headerSchema>;

/** Where a tensor lies in the file. */
interface TensorPlace {
  name: string;
  shape: readonly number[];
  sha256: string;
  offset: number;
  bytes: number;
}

interface Layout {
  jobUid: string;
  step: number;
  tensors: readonly TensorPlace[];
  headerEnd: number;
  totalBytes: number;
}

export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string };

/** sha256 of a tensor's bytes, in hexadecimal. */
export function tensorDigest(tensor: StateTensor): string {
  return createHash('sha256').update(bytesOf(tensor.data)).digest('hex');
}

/**
 * A state as a checkpoint, in pieces to be written one after the other; the pieces alias the tensors.
 * `digests` are those of {@link tensorDigest}, in the order of the tensors.
 */
export function encodeCheckpoint(jobUid: string, state: TrainingState, digests: readonly string[]): Uint8Array[] {
  const tensors = state.tensors.map(({ name, shape }, i) => ({ name, shape: [...shape], sha256: digests[i] ?? '' }));
  const header = Buffer.from(JSON.stringify({ jobUid, step: state.step, tensors } satisfies Header));
  const prefix = Buffer.alloc(prefixBytes);
  prefix.write(magic, 0, 'latin1');
  prefix.writeUInt32LE(version, 8);
  prefix.writeUInt32LE(header.length, 12);
  headerDigest(prefix, header).copy(prefix, 16);
  const pieces: Uint8Array[] = [prefix, header, padding(prefixBytes + header.length)];
  for (const { data } of state.tensors) pieces.push(bytesOf(data), padding(data.byteLength));
  return pieces.filter((piece) => piece.length > 0);
}

/** How many bytes of a file {@link decodeLayout} needs, told by the first {@link prefixBytes} of them; 0 for no checkpoint. */
export function headBytes(prefix: Uint8Array): number {
  if (prefix.length < prefixBytes || Buffer.from(prefix.subarray(0, 8)).toString('latin1') !== magic) return 0;
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getUint32(12, true);
  return headerBytes > maxHeaderBytes ? 0 : prefixBytes + headerBytes;
}

/** Reads where everything lies from the start of a file. Nothing is believed before its digest is checked. */
export function decodeLayout(bytes: Uint8Array): Decoded<Layout> {
  if (bytes.length < prefixBytes) return no(`truncated: it has only ${bytes.length} bytes`);
  if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== magic) return no('not a checkpoint');
  const view = new DataView(bytes.buffer, bytes.byteOffset, prefixBytes);
  const itsVersion = view.getUint32(8, true);
  if (itsVersion !== version) return no(`of format version ${itsVersion}, this worker reads version ${version}`);
  const headerBytes = view.getUint32(12, true);
  if (headerBytes > maxHeaderBytes) return no(`too large: a header of ${headerBytes} bytes`);
  const headerEnd = prefixBytes + headerBytes;
  if (bytes.length < headerEnd) return no('truncated in its header');
  const header = bytes.subarray(prefixBytes, headerEnd);
  if (!headerDigest(bytes, header).equals(bytes.subarray(16, prefixBytes))) return no('flipped bits in its header');
  let parsed: Header;
  try {
    parsed = headerSchema.parse(JSON.parse(Buffer.from(header).toString('utf8')));
  } catch {
    return no('its header does not describe a training state');
  }
  const tensors: TensorPlace[] = [];
  let offset = aligned(headerEnd);
  for (const { name, shape, sha256 } of parsed.tensors) {
    const bytes = 4 * shape.reduce((product, extent) => product * extent, 1);
    if (!Number.isSafeInteger(offset + bytes)) return no(`too large: tensor ${name}`);
    tensors.push({ name, shape, sha256, offset, bytes });
    offset = aligned(offset + bytes);
  }
  return { ok: true, value: { jobUid: parsed.jobUid, step: parsed.step, tensors, headerEnd, totalBytes: offset } };
}

/** One tensor of a whole file, checked; the data is a copy. */
export function decodeTensor(bytes: Uint8Array, place: TensorPlace): Decoded<StateTensor> {
  const { name, shape, offset } = place;
  const end = offset + place.bytes;
  const padded = aligned(end);
  if (bytes.length < padded) return no(`truncated in tensor ${name}`);
  const data = new Float32Array(place.bytes / 4);
  bytesOf(data).set(bytes.subarray(offset, end));
  const tensor = { name, shape, data };
  const clean = tensorDigest(tensor) === place.sha256 && bytes.subarray(end, padded).every((byte) => byte === 0);
  return clean ? { ok: true, value: tensor } : no(`flipped bits in tensor ${name}`);
}

/** Why these bytes cannot be what the layout read from them says, tensors apart; or undefined. */
export function fileProblem(layout: Layout, bytes: Uint8Array): string | undefined {
  if (bytes.length !== layout.totalBytes) {
    const cut = layout.tensors.find((place) => bytes.length < aligned(place.offset + place.bytes));
    return cut === undefined
      ? `${bytes.length} bytes where its header says ${layout.totalBytes}`
      : `truncated in tensor ${cut.name}`;
  }
  const gap = bytes.subarray(layout.headerEnd, layout.tensors[0]?.offset ?? layout.totalBytes);
  return gap.every((byte) => byte === 0) ? undefined : 'flipped bits after its header';
}

function headerDigest(prefix: Uint8Array, header: Uint8Array): Buffer {
  return createHash('sha256').update(prefix.subarray(0, 16)).update(header).digest();
}

function padding(length: number): Uint8Array {
  return new Uint8Array(aligned(length) - length);
}

function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function no(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}
