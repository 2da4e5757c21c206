import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { loadAddon } from './addon.ts';
import type { Release } from './release.ts';

/** What loading a release's addon came to. */
export interface Probe {
  /** Of the loaded TensorFlow. */
  version?: string;
  problem?: string;
}

/** Loads the addon in this process. */
export function probeHere(release: Release, env: Readonly<Record<string, string | undefined>>): Probe {
  try {
    return { version: loadAddon(release, env).version() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Loads the addon in a process of its own: two releases in one would share the library that came first, and a library
 * that ends its process takes only that one along.
 */
export async function probeApart(release: Release): Promise<Probe> {
  const entry = path.join(import.meta.dirname, 'main.ts');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [entry, 'probe', release.device]);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Probe;
  } catch (error) {
    const { signal, code } = error as { signal?: string; code?: string | number };
    return { problem: `a process that loads it ends with ${signal ?? code ?? 'no answer'}` };
  }
}
