import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Release } from './release.ts';

/** Where staged files lie; checkouts of one person share them. */
export interface CachePaths {
  root: string;
  /** Libraries and headers; complete once it exists. */
  library: string;
  download: string;
  /** Folder of the addon for these sources; complete once `addon` exists. */
  addonFolder: string;
  addon: string;
  device: Release['device'];
}

const sourceFolder = path.join(import.meta.dirname, 'addon');

/** Flags that change what the addon computes or runs on. No contraction: the same bits on every machine. */
export const compilerFlags: readonly string[] = [
  '-std=c++17',
  '-O3',
  '-ffp-contract=off',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-Wall',
  '-DNAPI_VERSION=8',
];

/** `env` is the process's environment: XDG_CACHE_HOME or HOME say where caches lie, else they lie in /var/cache. */
export function cachePaths(env: Readonly<Record<string, string | undefined>>, release: Release): CachePaths {
  const home = env['HOME'];
  const caches = env['XDG_CACHE_HOME'] || (home ? path.join(home, '.cache') : '/var/cache');
  const root = path.join(caches, 'hayate', 'native');
  const addonFolder = path.join(root, `addon-${addonKey(release)}`);
  return {
    root,
    library: path.join(root, release.name),
    download: path.join(root, `${release.name}.download`),
    addonFolder,
    addon: path.join(addonFolder, 'hayate.node'),
    device: release.device,
  };
}

/**
 * The addon's C++ files: what Node loads, and what that loads together with TensorFlow. A device has files of its own,
 * named for it.
 */
export function addonSources(device: Release['device']): { loader: string; engine: string[] } {
  const other = device === 'gpu' ? 'cpu' : 'gpu';
  const files = readdirSync(sourceFolder).filter((name) => name.endsWith('.cc') && !name.endsWith(`_${other}.cc`));
  const engine = files.filter((name) => name !== 'loader.cc').sort();
  return { loader: path.join(sourceFolder, 'loader.cc'), engine: engine.map((name) => path.join(sourceFolder, name)) };
}

function addonKey(release: Release): string {
  const hash = createHash('sha256').update(JSON.stringify([release.name, release.sha256, compilerFlags]));
  for (const name of readdirSync(sourceFolder).sort()) {
    hash.update(name).update(readFileSync(path.join(sourceFolder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
