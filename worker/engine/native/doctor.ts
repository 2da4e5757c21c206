import { existsSync } from 'node:fs';
import { type Addon, loadAddon } from './addon.ts';
import { cachePaths } from './cache.ts';
import { inspectMachine, type Machine, missingFor } from './machine.ts';
import type { Release } from './release.ts';

/** Prints what was found of the engine and of what it is made with; true when the engine can be used. */
export async function doctor(
  release: Release,
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<boolean> {
  const paths = cachePaths(env, release);
  const machine = await inspectMachine(paths.root);
  const loaded = tryLoad(release, env);
  const rows: [string, string][] = [
    ['cache', paths.root],
    ['library', existsSync(paths.library) ? release.name : 'not staged: run npm run native -- cpu'],
    ['addon', existsSync(paths.addon) ? paths.addon : 'not built: run npm run native -- cpu'],
    ['loads', 'version' in loaded ? `yes, TensorFlow ${loaded.version()}` : `no: ${loaded.problem}`],
    ['node', `${process.version}, ${machine.platform}, glibc ${machine.glibc ?? 'none'}`],
    ['python3', machine.python ?? 'none'],
    ['pip', machine.pip ?? 'none'],
    ['compiler', machine.compiler ?? 'none'],
    ['GPU', gpuLine(machine)],
  ];
  for (const [what, found] of rows) say(`${what.padEnd(9)} ${found}`);
  const needs = { library: !existsSync(paths.library), addon: !existsSync(paths.addon) };
  for (const problem of missingFor(release, machine, needs)) say(`missing   ${problem}`);
  return 'version' in loaded;
}

function gpuLine({ gpus }: Machine): string {
  const found = gpus.length > 0 ? gpus.join('; ') : 'none found (nvidia-smi lists none)';
  return `${found}; not used: the native engine computes on CPUs only so far`;
}

function tryLoad(release: Release, env: Readonly<Record<string, string | undefined>>): Addon | { problem: string } {
  try {
    return loadAddon(release, env);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
