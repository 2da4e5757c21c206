import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type FatEntry, thinFile, unneeded } from './fat-binary.ts';

const entryHeaderBytes = 64;

/** One entry with `bytes` of `fill` as its program. */
function entry(kind: number, architecture: number, bytes: number, fill: number): Buffer {
  const header = Buffer.alloc(entryHeaderBytes);
  header.writeUInt16LE(kind, 0);
  header.writeUInt16LE(0x101, 2);
  header.writeUInt32LE(entryHeaderBytes, 4);
  header.writeBigUInt64LE(BigInt(bytes), 8);
  header.writeUInt32LE(architecture, 28);
  return Buffer.concat([header, Buffer.alloc(bytes, fill)]);
}

function fatBinary(...entries: Buffer[]): Buffer {
  const body = Buffer.concat(entries);
  const header = Buffer.from([0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeBigUInt64LE(BigInt(body.length), 8);
  return Buffer.concat([header, body]);
}

const ptx = 1;
const code = 2;

describe('thinFile', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hayate-thin-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const thinned = (content: Buffer, wanted: readonly number[]) => {
    const file = path.join(folder, 'library.so');
    writeFileSync(file, content);
    return { result: thinFile(file, wanted), after: readFileSync(file) };
  };

  it('blanks other machine code and superfluous PTX, and moves nothing', () => {
    const make = (other: number) =>
      Buffer.concat([
        Buffer.alloc(100, 7),
        fatBinary(entry(ptx, 90, 40, other), entry(code, 80, 50, other), entry(code, 90, 60, 3)),
        Buffer.alloc(33, 8),
      ]);
    const { result, after } = thinned(make(1), [90]);
    assert.ok(after.equals(make(0)));
    assert.deepEqual(result, { fatBinaries: 1, blankedBytes: 90, keptBytes: 60 });
  });

  it('finds every fat binary, also where two windows meet and in files of many windows', () => {
    const gap = Buffer.alloc((16 << 20) - 3, 9);
    const make = (other: number) =>
      Buffer.concat([gap, fatBinary(entry(code, 70, 8, other)), gap, gap, fatBinary(entry(code, 70, 8, other))]);
    const { result, after } = thinned(make(5), [90]);
    assert.equal(result.fatBinaries, 2);
    assert.ok(after.equals(make(0)));
  });

  it('leaves alone what only begins like a fat binary', () => {
    const magic = fatBinary(entry(code, 70, 8, 5));
    const broken = Buffer.from(magic);
    broken.writeUInt32LE(7, 16 + 4); // the entry's header cannot be that short
    const endless = Buffer.from(magic);
    endless.writeBigUInt64LE(1n << 40n, 8);
    for (const content of [broken, endless, magic.subarray(0, 12)]) {
      const { result, after } = thinned(content, [90]);
      assert.deepEqual([result.fatBinaries, after.equals(content)], [0, true]);
    }
  });

  it('goes on behind what is broken', () => {
    const broken = fatBinary(entry(code, 70, 8, 5));
    broken.writeUInt32LE(7, 16 + 4);
    const { result, after } = thinned(Buffer.concat([broken, fatBinary(entry(code, 70, 8, 5))]), [90]);
    assert.equal(result.fatBinaries, 1);
    assert.ok(after.subarray(0, broken.length).equals(broken));
  });
});

describe('unneeded', () => {
  const of = (kind: FatEntry['kind'], ...architectures: number[]): FatEntry[] =>
    architectures.map((architecture) => ({ kind, architecture, offset: 0, bytes: 1 }));
  const left = (entries: FatEntry[], wanted: number[]) => {
    const gone = new Set(unneeded(entries, wanted));
    return entries.filter((e) => !gone.has(e)).map(({ kind, architecture }) => `${kind} ${architecture}`);
  };

  it('keeps PTX where there is no machine code for a wanted GPU', () => {
    assert.deepEqual(left([...of('ptx', 90), ...of('machineCode', 80, 89)], [90]), ['ptx 90']);
    assert.deepEqual(left([...of('ptx', 50, 80, 100), ...of('machineCode', 70)], [90]), ['ptx 80']);
  });

  it('takes an older minor of the same major for machine code that runs', () => {
    assert.deepEqual(left([...of('ptx', 90), ...of('machineCode', 75, 80, 86)], [89]), ['machineCode 86']);
  });

  it('serves every wanted GPU', () => {
    const entries = [...of('ptx', 90), ...of('machineCode', 60, 80)];
    assert.deepEqual(left(entries, [80, 90]), ['ptx 90', 'machineCode 80']);
  });

  it('keeps what it does not know', () => {
    assert.deepEqual(left(of('other', 75), [90]), ['other 75']);
  });
});
