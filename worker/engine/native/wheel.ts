import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CachePaths } from './cache.ts';
import { runCommand } from './command.ts';
import type { Release, Wheel } from './release.ts';
import { StagingError } from './staging-error.ts';

/** Fetches the release's wheel, compares its digest and unpacks what the engine needs; appears whole or not at all. */
export async function stageLibrary(release: Release, paths: CachePaths, say: (line: string) => void): Promise<void> {
  const wheel = await fetchWheel(release, paths.download, say);
  say(`unpacking into ${paths.library}`);
  const partial = `${paths.library}.partial`;
  await unpackWheel(wheel, partial, release.members);
  await rename(path.join(partial, 'tensorflow'), paths.library);
  await rm(partial, { recursive: true, force: true });
  await rm(paths.download, { recursive: true, force: true });
}

/**
 * A verified wheel in `folder`, which is for this wheel alone; one that an interrupted run has left whole is not
 * fetched again. Throws {@link StagingError} where pip fails or brings another file.
 */
export async function fetchWheel(wheel: Wheel, folder: string, say: (line: string) => void): Promise<string> {
  return (await verifiedWheel(wheel, folder)) ?? (await download(wheel, folder, say));
}

/** Unpacks the files of a wheel whose names begin with one of `members` into `target`, which is emptied before. */
export async function unpackWheel(file: string, target: string, members: readonly string[]): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await runPython(['-c', unpacker, file, target, ...members], (reason) => `${file} cannot be unpacked (${reason})`);
}

const unpacker = `
import sys, zipfile
wheel, target, *wanted = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(tuple(wanted)):
            archive.extract(name, target)
`;

/** The wheel that an interrupted run has left, if it is whole; whatever else lies there goes. */
async function verifiedWheel(wheel: Wheel, folder: string): Promise<string | undefined> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = path.join(folder, name);
    if (name.endsWith('.whl') && (await sha256(file)) === wheel.sha256) return file;
    await rm(file, { recursive: true });
  }
  return undefined;
}

async function download(wheel: Wheel, folder: string, say: (line: string) => void): Promise<string> {
  const { package: name, version, pythonVersion, platform } = wheel;
  say(`downloading ${name} ${version} (${(wheel.bytes / 1e6).toFixed(0)} MB)`);
  const temporary = path.join(folder, 'pip');
  await mkdir(temporary, { recursive: true });
  const options = '-m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all:';
  const wanted = `--implementation cp --python-version ${pythonVersion} --platform ${platform} ${name}==${version}`;
  try {
    await runPython(
      [...`${options} ${wanted}`.split(' '), '--dest', folder],
      (reason) => `pip could not fetch ${name} ${version} (${reason}); run this again, whole files are kept`,
      { TMPDIR: temporary }, // what pip leaves when it is killed lies where the next run clears it away
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
    await rmdir(folder).catch(() => {}); // nothing has come
  }
  const [file] = (await readdir(folder).catch(() => [])).filter((entry) => entry.endsWith('.whl'));
  if (file === undefined) throw new StagingError([`pip has fetched no wheel of ${name} ${version}; try again.`]);
  const fetched = path.join(folder, file);
  const found = await sha256(fetched);
  if (found === wheel.sha256) return fetched;
  await rm(fetched);
  throw new StagingError([
    `${file} has the digest sha256:${found} where sha256:${wheel.sha256} is expected; it was removed. Check the package index that pip uses.`,
  ]);
}

/** Python explains itself at length; its last line says what happened. */
async function runPython(
  args: readonly string[],
  sentence: (reason: string) => string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  try {
    await runCommand('python3', args, env);
  } catch (cause) {
    const reason = (cause as Error).message.trim().split('\n').at(-1) ?? '';
    throw new StagingError([`${sentence(reason)}.`], { retryable: true, cause });
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
