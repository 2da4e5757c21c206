import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CachePaths } from './cache.ts';
import { runCommand } from './command.ts';
import type { Release } from './release.ts';
import { StagingError } from './staging-error.ts';

/** Fetches the release's wheel, compares its digest and unpacks what the engine needs; appears whole or not at all. */
export async function stageLibrary(release: Release, paths: CachePaths, say: (line: string) => void): Promise<void> {
  const wheel = (await verifiedWheel(release, paths)) ?? (await download(release, paths, say));
  say(`unpacking into ${paths.library}`);
  const partial = `${paths.library}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await runCommand('python3', ['-c', unpacker, wheel, partial, ...release.members]);
  await rename(path.join(partial, 'tensorflow'), paths.library);
  await rm(partial, { recursive: true, force: true });
  await rm(paths.download, { recursive: true, force: true });
}

const unpacker = `
import sys, zipfile
wheel, target, *wanted = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(tuple(wanted)):
            archive.extract(name, target)
`;

/** The wheel that an interrupted run has left, if it is whole. */
async function verifiedWheel(release: Release, paths: CachePaths): Promise<string | undefined> {
  const names = await readdir(paths.download).catch(() => []);
  for (const name of names.filter((file) => file.endsWith('.whl'))) {
    const file = path.join(paths.download, name);
    if ((await sha256(file)) === release.sha256) return file;
    await rm(file);
  }
  return undefined;
}

async function download(release: Release, paths: CachePaths, say: (line: string) => void): Promise<string> {
  const { package: name, version, pythonVersion, platform } = release;
  say(`downloading ${name} ${version}`);
  await mkdir(paths.download, { recursive: true });
  const options = '-m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all:';
  const wanted = `--implementation cp --python-version ${pythonVersion} --platform ${platform} ${name}==${version}`;
  await runCommand('python3', [...`${options} ${wanted}`.split(' '), '--dest', paths.download]);
  const [file] = (await readdir(paths.download)).filter((entry) => entry.endsWith('.whl'));
  if (file === undefined) throw new StagingError([`pip has fetched no wheel of ${name} ${version}; try again.`]);
  const wheel = path.join(paths.download, file);
  const found = await sha256(wheel);
  if (found === release.sha256) return wheel;
  await rm(wheel);
  throw new StagingError([
    `${file} has the digest sha256:${found} where sha256:${release.sha256} is expected; it was removed. Check the package index that pip uses.`,
  ]);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
