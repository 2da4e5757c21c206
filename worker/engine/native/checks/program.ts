import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { env } from 'node:process';
import { cachePaths } from '../cache.ts';
import { runCommand } from '../command.ts';
import { cpuRelease } from '../release.ts';

/** A program that checks a part of the addon that is for GPUs, where there is none. */
export interface Program {
  /** Of the compiled program, and for what else it needs. */
  folder: string;
  file: string;
  remove(): Promise<void>;
}

/** Without TensorFlow's headers the suite that asks says so and is left out. */
export function needHeaders(suite: Mocha.Context): void {
  if (existsSync(cachePaths(env, cpuRelease).library)) return;
  console.log("      left out: TensorFlow's headers are not staged here; run npm run native -- cpu");
  suite.skip();
}

/** Compiles `name`.cc of this folder with files of the addon; `prepare` writes what it includes into the folder first. */
export async function compileProgram(
  name: string,
  addon: readonly string[],
  flags: readonly string[],
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<Program> {
  const folder = await mkdtemp(path.join(tmpdir(), `hayate-${name}-`));
  const sources = path.resolve(import.meta.dirname, '../addon');
  const headers = ['-I', folder, '-isystem', path.join(cachePaths(env, cpuRelease).library, 'include')];
  const files = [
    path.join(import.meta.dirname, `${name}.cc`),
    ...addon.map((file) => path.join(sources, `${file}.cc`)),
  ];
  const file = path.join(folder, name);
  await prepare(folder);
  const definitions = [`-DHAYATE_SOURCES="${sources}"`];
  await runCommand('g++', ['-std=c++17', '-O1', ...flags, ...definitions, ...headers, ...files, '-ldl', '-o', file]);
  return { folder, file, remove: () => rm(folder, { recursive: true, force: true }) };
}
