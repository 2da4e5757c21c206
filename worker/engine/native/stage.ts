import { existsSync } from 'node:fs';
import { type CachePaths, cachePaths } from './cache.ts';
import { compileAddon } from './compile.ts';
import { withLock } from './lock.ts';
import { inspectMachine, missingFor } from './machine.ts';
import type { Release } from './release.ts';
import { StagingError } from './staging-error.ts';
import { stageLibrary } from './wheel.ts';

/**
 * Puts library and addon into the cache; what is there already stays. Throws {@link StagingError} with everything
 * that is missing.
 */
export async function stage(
  release: Release,
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<CachePaths> {
  const paths = cachePaths(env, release);
  const waiting = () => say('waiting for another process that stages the engine');
  await withLock(`native ${paths.root}`.slice(-90), () => stageMissing(release, paths, say), waiting);
  return paths;
}

async function stageMissing(release: Release, paths: CachePaths, say: (line: string) => void): Promise<void> {
  const needs = { library: !existsSync(paths.library), addon: !existsSync(paths.addon) };
  if (!needs.library && !needs.addon) return;
  const machine = await inspectMachine(paths.root);
  const problems = missingFor(release, machine, needs);
  if (problems.length > 0) throw new StagingError(problems);
  if (needs.library) await stageLibrary(release, paths, say);
  if (needs.addon) {
    say('compiling the addon');
    await compileAddon(paths, machine.nodeHeaders as string);
  }
}
