import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { addonSources, type CachePaths, cachePaths, compilerFlags } from './cache.ts';
import { runCommand } from './command.ts';
import type { Release } from './release.ts';

/**
 * An addon of its own below `caches`, a folder like XDG_CACHE_HOME's, against what `staged` has. Whoever runs with that folder
 * has this one.
 */
export async function compileElsewhere(
  staged: CachePaths,
  release: Release,
  nodeHeaders: string,
  caches: string,
  variant: Variant,
): Promise<void> {
  const paths = cachePaths({ XDG_CACHE_HOME: caches }, release);
  await mkdir(paths.root, { recursive: true });
  await symlink(staged.library, paths.library);
  await compileAddon(paths, nodeHeaders, variant);
}

/** How an addon is compiled for tests instead. */
interface Variant {
  /** Instead of {@link compilerFlags}. */
  flags: readonly string[];
  /** Its files but for the loader, instead of all that the device has. */
  engine?: readonly string[];
}

/** Compiles the addon against the staged library; appears whole or not at all. */
export async function compileAddon(paths: CachePaths, nodeHeaders: string, variant?: Variant): Promise<void> {
  await rm(paths.addonFolder, { recursive: true, force: true });
  await mkdir(paths.addonFolder, { recursive: true });
  const sources = addonSources(paths.device);
  const { loader } = sources;
  const { flags = compilerFlags, engine = sources.engine } = variant ?? {};
  const include = path.join(paths.library, 'include');
  const folders = [include, path.join(include, 'external', 'farmhash_archive', 'src'), nodeHeaders];
  const headers = [...folders.flatMap((folder) => ['-isystem', folder]), `-DHAYATE_SOURCES="${path.dirname(loader)}"`];
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) =>
    path.join(paths.library, name),
  );
  const search = `-Wl,-rpath,$ORIGIN/${path.relative(paths.addonFolder, paths.library)}`;
  const target = path.join(paths.addonFolder, 'engine.so');
  await runCommand('g++', [...flags, ...headers, ...engine, ...libraries, search, '-o', target]);
  const partial = `${paths.addon}.partial`;
  await runCommand('g++', [...flags, ...headers, loader, '-ldl', search, '-o', partial]);
  await rename(partial, paths.addon);
}
