import { existsSync } from 'node:fs';
import { type CachePaths, cachePaths } from './cache.ts';
import { compileAddon } from './compile.ts';
import { cudaDiskBytes, isCudaStaged, missingWheels, sizeOf, stageCuda } from './cuda.ts';
import { cudaLibraryBytes, cudaVersion, cudaWheels } from './cuda-wheels.ts';
import { withLock } from './lock.ts';
import { inspectMachine, missingFor, type Needs } from './machine.ts';
import type { Release } from './release.ts';
import { StagingError } from './staging-error.ts';
import { stageLibrary } from './wheel.ts';

/**
 * Puts library, addon and, for GPUs, CUDA's libraries into the cache; what is there already stays. Throws
 * {@link StagingError} with everything that is missing.
 */
export async function stage(
  release: Release,
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<CachePaths> {
  const paths = cachePaths(env, release);
  const waiting = () => say('waiting for another process that stages the engine');
  await withLock(`native ${paths.root}`.slice(-90), () => stageMissing(release, paths, env, say), waiting);
  return paths;
}

async function stageMissing(
  release: Release,
  paths: CachePaths,
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<void> {
  const needs = await needsOf(release, paths);
  if (!needs.library && !needs.addon && needs.cudaBytes === undefined) return;
  const machine = await inspectMachine(paths.root, env);
  const problems = missingFor(release, machine, needs);
  if (problems.length > 0) throw new StagingError(problems);
  for (const line of announcement(release, paths.root, needs)) say(line);
  if (needs.library) await stageLibrary(release, paths, say);
  if (needs.cudaBytes !== undefined) await stageCuda(paths.root, paths.library, cudaWheels, say);
  if (needs.addon) {
    say('compiling the addon');
    await compileAddon(paths, machine.nodeHeaders as string);
  }
}

/** What of a release the cache lacks. */
export async function needsOf(release: Release, paths: CachePaths): Promise<Needs> {
  const needs = { library: !existsSync(paths.library), addon: !existsSync(paths.addon) };
  if (release.device === 'cpu' || (await isCudaStaged(paths.root, paths.library, cudaWheels))) return needs;
  return { ...needs, cudaBytes: cudaDiskBytes(missingWheels(paths.root, cudaWheels), cudaWheels) };
}

/** What is going to be fetched and where it will lie, said before anything is. */
function announcement(release: Release, root: string, needs: Needs): string[] {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const lines: string[] = [];
  if (needs.library) lines.push(`${release.package} ${release.version}: ${mb(release.bytes)} to download`);
  const missing = needs.cudaBytes === undefined ? [] : missingWheels(root, cudaWheels);
  if (missing.length > 0) {
    const size = `${mb(sizeOf(missing))} in ${missing.length} files to download`;
    lines.push(`CUDA ${cudaVersion} libraries: ${size}, ${mb(cudaLibraryBytes)} unpacked`);
  }
  return lines.length === 0 ? [] : [...lines, `all of it goes to ${root}`];
}
