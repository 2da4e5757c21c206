import { existsSync } from 'node:fs';
import { EngineError, type EngineSettings } from '../engine.ts';
import { loadAddon } from './addon.ts';
import { cachePaths } from './cache.ts';
import { releaseOf } from './release.ts';

/** Why the native engine cannot be used on this machine; undefined where it can. */
export function stagingProblem(
  env: Readonly<Record<string, string | undefined>>,
  device: EngineSettings['device'] = 'cpu',
): string | undefined {
  try {
    loadAddon(releaseOf(device), env);
    return undefined;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}

/** True where `npm run native` has been through for `device`; loads nothing. */
export function isStaged(
  env: Readonly<Record<string, string | undefined>>,
  device: EngineSettings['device'] = 'cpu',
): boolean {
  const { library, addon } = cachePaths(env, releaseOf(device));
  return existsSync(library) && existsSync(addon);
}
