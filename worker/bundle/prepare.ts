import { chmodSync, copyFileSync, statSync } from 'node:fs';
import { link, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { compressed } from './compress.ts';
import { thinFile } from './fat-binary.ts';
import type { Binary } from './plan.ts';
import { runShell } from './shell.ts';

/** Strips, thins and compresses one binary; the xz file appears as `packed`. Returns the bytes that it unpacks to. */
export async function packBinary(
  { source, isStripped, architectures }: Binary,
  folders: { work: string; cache: string },
  packed: string,
  say: (line: string) => void,
): Promise<number> {
  const name = path.basename(source);
  await mkdir(folders.work, { recursive: true });
  const copy = path.join(folders.work, name);
  if (isStripped) await runShell('strip --strip-unneeded -o "$2" "$1"', [source, copy]);
  else copyFileSync(source, copy);
  chmodSync(copy, 0o755);
  const thinned = architectures === undefined ? undefined : thinFile(copy, architectures);
  const file = await compressed(copy, 'binary', folders.cache, say);
  await link(file, packed).catch(() => copyFileSync(file, packed));
  const sizes = [
    `${megabytes(statSync(source).size)} MB`,
    ...(isStripped ? [`${megabytes(statSync(copy).size)} stripped`] : []),
    ...(thinned === undefined ? [] : [`${megabytes(thinned.blankedBytes)} of it blanked`]),
    `${megabytes(statSync(packed).size)} compressed`,
  ];
  say(`${name}: ${sizes.join(', ')}`);
  const { size } = statSync(copy);
  await rm(copy);
  return size;
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
