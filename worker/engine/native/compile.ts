import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { addonSources, type CachePaths, compilerFlags } from './cache.ts';
import { runCommand } from './command.ts';

/** Compiles the addon against the staged library; appears whole or not at all. */
export async function compileAddon(paths: CachePaths, nodeHeaders: string): Promise<void> {
  await rm(paths.addonFolder, { recursive: true, force: true });
  await mkdir(paths.addonFolder, { recursive: true });
  const { loader, engine } = addonSources(paths.device);
  const include = path.join(paths.library, 'include');
  const folders = [include, path.join(include, 'external', 'farmhash_archive', 'src'), nodeHeaders];
  const headers = [...folders.flatMap((folder) => ['-isystem', folder]), `-DHAYATE_SOURCES="${path.dirname(loader)}"`];
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) =>
    path.join(paths.library, name),
  );
  const search = `-Wl,-rpath,$ORIGIN/${path.relative(paths.addonFolder, paths.library)}`;
  const target = path.join(paths.addonFolder, 'engine.so');
  await runCommand('g++', [...compilerFlags, ...headers, ...engine, ...libraries, search, '-o', target]);
  const partial = `${paths.addon}.partial`;
  await runCommand('g++', [...compilerFlags, ...headers, loader, '-ldl', search, '-o', partial]);
  await rename(partial, paths.addon);
}
