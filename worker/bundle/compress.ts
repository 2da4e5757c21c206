import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm, utimes } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runShell } from './shell.ts';

/** Blocks are compressed and unpacked side by side; their size and the dictionary's fit one library of 200 MB. */
const settings = {
  binary: '--block-size=224MiB --x86 --lzma2=preset=9e,dict=192MiB',
  files: '--block-size=224MiB --lzma2=preset=9e,dict=192MiB',
} as const;

/**
 * The xz file of `file`, from `cache` where the same bytes have been compressed before: the libraries take ten minutes.
 */
export async function compressed(
  file: string,
  kind: keyof typeof settings,
  cache: string,
  say: (line: string) => void,
): Promise<string> {
  const target = path.join(cache, `${await sha256(file)}.${kind}.xz`);
  if (existsSync(target)) {
    const now = new Date();
    await utimes(target, now, now);
    return target;
  }
  say(`compressing ${path.basename(file)}`);
  await mkdir(cache, { recursive: true });
  const partial = `${target}.${process.pid}.partial`;
  try {
    await runShell(`xz -T0 ${settings[kind]} -c < "$1" > "$2"`, [file, partial]);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
  return target;
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
