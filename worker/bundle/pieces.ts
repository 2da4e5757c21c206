import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';

/** A file of the archive. */
export interface Piece {
  name: string;
  bytes: number;
  sha256: string;
}

/**
 * Writes what comes into files of at most `mostBytes`, NAME.00, NAME.01 …, or into one file NAME where there is no
 * limit.
 */
export async function writePieces(
  source: AsyncIterable<Buffer>,
  folder: string,
  name: string,
  mostBytes: number | undefined,
): Promise<Piece[]> {
  const pieces: Piece[] = [];
  const most = mostBytes ?? Infinity;
  let current: { file: FileHandle; hash: Hash; name: string; bytes: number } | undefined;
  const finish = async () => {
    if (current === undefined) return;
    await current.file.close();
    pieces.push({ name: current.name, bytes: current.bytes, sha256: current.hash.digest('hex') });
    current = undefined;
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      if (current === undefined) {
        const own = mostBytes === undefined ? name : `${name}.${String(pieces.length).padStart(2, '0')}`;
        current = { file: await open(path.join(folder, own), 'w'), hash: createHash('sha256'), name: own, bytes: 0 };
      }
      const part = chunk.subarray(at, at + Math.min(chunk.length, most - current.bytes));
      await current.file.writeFile(part);
      current.hash.update(part);
      current.bytes += part.length;
      at += part.length;
      if (current.bytes >= most) await finish();
    }
  }
  await finish();
  return pieces;
}
