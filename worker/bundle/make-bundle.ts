import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { link, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { BundleRequest } from './arguments.ts';
import { BundleError } from './bundle-error.ts';
import { compressed } from './compress.ts';
import { launcherScript } from './launcher.ts';
import { type Piece, writePieces } from './pieces.ts';
import type { BundlePlan } from './plan.ts';
import { megabytes, packBinary } from './prepare.ts';
import { runShell } from './shell.ts';
import { filesMember, memberList, packedFolder, unpackScript } from './unpack-script.ts';

export interface BundleFacts {
  /** Oldest glibc that everything packed runs with. */
  glibc: string;
  /** Compressed files of earlier bundles. */
  cache: string;
}

/** Carries a plan out; the folder `request.out` appears whole or not at all. Returns the files of the archive. */
export async function makeBundle(
  plan: BundlePlan,
  request: BundleRequest,
  facts: BundleFacts,
  say: (line: string) => void,
): Promise<Piece[]> {
  const partial = `${request.out}.partial`;
  const folders = { work: path.join(partial, 'work'), cache: facts.cache };
  const packed = path.join(partial, 'archive', packedFolder);
  const result = path.join(partial, 'result');
  await rm(partial, { recursive: true, force: true });
  for (const folder of [packed, result, folders.work]) mkdirSync(folder, { recursive: true });
  const fileBytes = await packFiles(
    plan,
    request.device === 'gpu' && request.cuda === 'host',
    folders,
    path.join(packed, filesMember),
    say,
  );
  let bytes = fileBytes;
  const members: string[] = [];
  for (const [i, binary] of plan.binaries.entries()) {
    const member = `${i}.xz`;
    bytes += await packBinary(binary, folders, path.join(packed, member), say);
    members.push(`${member} ${binary.target}\n`);
  }
  writeFileSync(path.join(packed, memberList), members.join(''));
  const pieces = await archive(path.join(partial, 'archive'), result, archiveName(request), request.pieceBytes);
  const packedBytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const script = unpackScript({ pieces, bytes: bytes + packedBytes, glibc: facts.glibc });
  writeFileSync(path.join(result, 'unpack.sh'), script, { mode: 0o755 });
  await rm(request.out, { recursive: true, force: true });
  await rename(result, request.out);
  await rm(partial, { recursive: true });
  say(
    `${megabytes(packedBytes)} MB in ${pieces.length} file(s), ${megabytes(bytes)} MB unpacked, glibc ${facts.glibc}`,
  );
  return pieces;
}

function archiveName({ device, architectures }: BundleRequest): string {
  return `hayate-${[device, ...architectures.map((number) => `sm_${number}`)].join('-')}.tar`;
}

/** The many small files, in one member. Returns their bytes. */
async function packFiles(
  { files, links }: BundlePlan,
  usesHostCuda: boolean,
  folders: { work: string; cache: string },
  packed: string,
  say: (line: string) => void,
): Promise<number> {
  const tree = path.join(folders.work, 'tree');
  let bytes = 0;
  for (const [source, target] of files) {
    const copy = path.join(tree, target);
    mkdirSync(path.dirname(copy), { recursive: true });
    copyFileSync(source, copy);
    chmodSync(copy, 0o644);
    bytes += statSync(copy).size;
  }
  for (const [target, to] of links) {
    mkdirSync(path.dirname(path.join(tree, target)), { recursive: true });
    symlinkSync(to, path.join(tree, target));
  }
  writeFileSync(path.join(tree, 'hayate'), launcherScript(usesHostCuda), { mode: 0o755 });
  const whole = path.join(folders.work, 'files.tar');
  const normal = '--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner';
  await runShell(`tar ${normal} -cf "$2" -C "$1" .`, [tree, whole]);
  const file = await compressed(whole, 'files', folders.cache, say);
  await link(file, packed).catch(() => copyFileSync(file, packed));
  say(`${files.length} files: ${megabytes(bytes)} MB, ${megabytes(statSync(packed).size)} compressed`);
  await rm(tree, { recursive: true });
  await rm(whole);
  return bytes;
}

async function archive(folder: string, into: string, name: string, pieceBytes: number | undefined): Promise<Piece[]> {
  const tar = spawn('tar', ['--mtime=@0', '--owner=0', '--group=0', '--sort=name', '-cf', '-', '-C', folder, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(tar, 'close');
  const pieces = await writePieces(tar.stdout, into, name, pieceBytes);
  const [code] = await ended;
  if (code !== 0) throw new BundleError([`tar ended with ${code}; is the disk full?`]);
  return pieces;
}
