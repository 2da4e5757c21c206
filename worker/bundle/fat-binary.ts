import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/** One program in a fat binary: machine code for one GPU architecture, or PTX, which a driver compiles. */
export interface FatEntry {
  kind: 'ptx' | 'machineCode' | 'other';
  /** 90 for sm_90 or compute_90. */
  architecture: number;
  /** Of the program in the file. */
  offset: number;
  bytes: number;
}

/** What thinning has done to a file. */
export interface Thinned {
  fatBinaries: number;
  blankedBytes: number;
  keptBytes: number;
}

/** Magic number 0xBA55ED50, version 1, header of 16 bytes; the size of all that follows stands behind them. */
const magic = Buffer.from([0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0]);
const headerBytes = 16;
/** Kind, size of the entry's header, size of its program, architecture: all within its first 32 bytes. */
const entryFieldBytes = 32;
/** A fat binary's size leaves out the padding of its last program. */
const paddingBytes = 64;
const windowBytes = 16 << 20;
const zeros = Buffer.alloc(1 << 20);

/**
 * Overwrites with zeros the programs of a library's fat binaries that GPUs of the wanted architectures do not need.
 * Nothing moves, so nothing has to be linked again. Reads and writes in place, a window at a time.
 */
export function thinFile(file: string, wanted: readonly number[]): Thinned {
  const descriptor = openSync(file, 'r+');
  try {
    return thin(new Window(descriptor), wanted);
  } finally {
    closeSync(descriptor);
  }
}

function thin(window: Window, wanted: readonly number[]): Thinned {
  const thinned: Thinned = { fatBinaries: 0, blankedBytes: 0, keptBytes: 0 };
  for (let at = window.find(0); at !== undefined; ) {
    const found = entriesAt(window, at);
    if (found !== undefined) {
      const blank = unneeded(found.entries, wanted);
      for (const { offset, bytes } of blank) window.blank(offset, bytes);
      const sum = (entries: readonly FatEntry[]) => entries.reduce((total, { bytes }) => total + bytes, 0);
      thinned.fatBinaries += 1;
      thinned.blankedBytes += sum(blank);
      thinned.keptBytes += sum(found.entries) - sum(blank);
    }
    at = window.find(found?.end ?? at + headerBytes);
  }
  return thinned;
}

/**
 * Of a fat binary's entries those that no wanted architecture runs: each takes its own machine code; where there is
 * none that of the newest older minor of its major; where there is none either the newest PTX that is not too new.
 */
export function unneeded(entries: readonly FatEntry[], wanted: readonly number[]): FatEntry[] {
  const kept = new Set<FatEntry>(entries.filter(({ kind }) => kind === 'other'));
  for (const architecture of wanted) {
    for (const entry of neededBy(architecture, entries)) kept.add(entry);
  }
  return entries.filter((entry) => !kept.has(entry));
}

function neededBy(wanted: number, entries: readonly FatEntry[]): FatEntry[] {
  const major = (architecture: number) => Math.floor(architecture / 10);
  const runs = entries.filter(({ kind, architecture }) =>
    kind === 'machineCode' ? major(architecture) === major(wanted) && architecture <= wanted : false,
  );
  const compiles = entries.filter(({ kind, architecture }) => kind === 'ptx' && architecture <= wanted);
  const chosen = runs.length > 0 ? runs : compiles;
  const newest = Math.max(...chosen.map(({ architecture }) => architecture));
  return chosen.filter(({ architecture }) => architecture === newest);
}

/** The entries of the fat binary at `at`; undefined where the bytes only look like one. */
function entriesAt(window: Window, at: number): { entries: FatEntry[]; end: number } | undefined {
  const header = window.read(at, headerBytes);
  if (header === undefined) return undefined;
  const end = at + headerBytes + Number(header.readBigUInt64LE(8));
  if (end > window.size) return undefined;
  const entries: FatEntry[] = [];
  for (let entryAt = at + headerBytes; entryAt < end; ) {
    const fields = window.read(entryAt, entryFieldBytes);
    if (fields === undefined) return undefined;
    const kind = fields.readUInt16LE(0);
    const ownHeaderBytes = fields.readUInt32LE(4);
    const bytes = Number(fields.readBigUInt64LE(8));
    const offset = entryAt + ownHeaderBytes;
    if (ownHeaderBytes < 48 || ownHeaderBytes > 256 || offset + bytes > end + paddingBytes) return undefined;
    entries.push({
      kind: kind === 1 ? 'ptx' : kind === 2 ? 'machineCode' : 'other',
      architecture: fields.readUInt32LE(28),
      offset,
      bytes,
    });
    entryAt = offset + bytes;
  }
  return { entries, end };
}

/** The part of a file that is in memory. */
class Window {
  readonly size: number;
  readonly #descriptor: number;
  readonly #bytes: Buffer;
  #start = 0;
  #length = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.size = fstatSync(descriptor).size;
    this.#bytes = Buffer.alloc(Math.min(windowBytes, this.size));
  }

  /** Where the next magic number from `from` on stands. */
  find(from: number): number | undefined {
    for (let at = from; at + magic.length <= this.size; at = this.#end - magic.length + 1) {
      if (at < this.#start || at + magic.length > this.#end) this.#load(at);
      const found = this.#bytes.subarray(0, this.#length).indexOf(magic, at - this.#start);
      if (found >= 0) return this.#start + found;
      if (this.#end === this.size) return undefined;
    }
    return undefined;
  }

  /** A copy of `length` bytes; undefined where the file ends before. */
  read(at: number, length: number): Buffer | undefined {
    if (at + length > this.size) return undefined;
    const bytes = Buffer.alloc(length);
    readSync(this.#descriptor, bytes, 0, length, at);
    return bytes;
  }

  /** Writes zeros, to the file and to what is in memory of it. */
  blank(offset: number, bytes: number): void {
    const end = Math.min(offset + bytes, this.size);
    for (let at = offset; at < end; at += zeros.length) {
      writeSync(this.#descriptor, zeros, 0, Math.min(zeros.length, end - at), at);
    }
    const [from, to] = [offset, end].map((at) => Math.min(Math.max(at - this.#start, 0), this.#length)) as [
      number,
      number,
    ];
    this.#bytes.fill(0, from, to);
  }

  get #end(): number {
    return this.#start + this.#length;
  }

  #load(at: number): void {
    this.#start = at;
    this.#length = 0;
    while (this.#length < this.#bytes.length && this.#end < this.size) {
      const read = readSync(this.#descriptor, this.#bytes, this.#length, this.#bytes.length - this.#length, this.#end);
      if (read === 0) break;
      this.#length += read;
    }
  }
}
