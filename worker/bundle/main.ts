import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cachePaths } from '../engine/native/cache.ts';
import { releaseOf } from '../engine/native/release.ts';
import { parseRequest } from './arguments.ts';
import { BundleError } from './bundle-error.ts';
import { cacheFilesOf, missingForBundle, missingForPlan, neededGlibc, workspacePackages } from './inspect.ts';
import { commands } from './launcher.ts';
import { makeBundle } from './make-bundle.ts';
import { loadedFiles } from './module-graph.ts';
import { planBundle } from './plan.ts';
import { resolveAsNode } from './resolution.ts';

/** Entry of `npm run bundle -- cpu|gpu`: one archive with all that a worker and the benchmarks need. */
const say = (line: string): void => console.log(line);
const root = path.resolve(import.meta.dirname, '../..');
/** The public program API is loaded by users' programs alone. */
const programApi = 'worker/program/define.ts';
/** The addon's folder in the cache is named for their digest. */
const sourceFolder = 'worker/engine/native/addon';
const sourcesOfAddon = readdirSync(path.join(root, sourceFolder)).map((name) => path.join(sourceFolder, name));

async function main(argv: readonly string[]): Promise<void> {
  const request = parseRequest(argv, process.cwd());
  const release = releaseOf(request.device);
  const paths = cachePaths(process.env, release);
  refuse(await missingForBundle(request, paths));
  const entries = [...Object.values(commands).map((command) => command.split(' ')[0] as string), programApi];
  const appFiles = [...loadedFiles(root, entries, resolveAsNode), ...sourcesOfAddon];
  const cacheFiles = cacheFilesOf(paths);
  const packages = workspacePackages(root);
  const node = process.execPath;
  const plan = planBundle({ request, root, node, paths, appFiles, packages, cacheFiles });
  refuse(missingForPlan(plan, request));
  const addon = ['hayate.node', 'engine.so'].map((name) => path.join(paths.addonFolder, name));
  const glibc = await neededGlibc([...addon, ...plan.binaries.map(({ source }) => source)]);
  const cache = path.join(path.dirname(paths.root), 'bundle');
  const partial = `${request.out}.partial`;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      rmSync(partial, { recursive: true, force: true });
      process.exit(code);
    });
  }
  try {
    await makeBundle(plan, request, { glibc, cache }, say);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  say(`in ${request.out}; carry all of it and run: sh unpack.sh FOLDER, then FOLDER/hayate`);
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new BundleError(problems);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof BundleError) {
    for (const problem of error.problems) console.error(problem);
    process.exitCode = 1;
  } else if (error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')) {
    console.error((error as Error).message);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
