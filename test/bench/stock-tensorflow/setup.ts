/** `npm run bench -- stock-setup [--device cpu|gpu]`: TensorFlow.js's Node package, to compare with. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from '../../../worker/engine/native/command.ts';
import { inspectMachine } from '../../../worker/engine/native/machine.ts';
import { deviceOption } from '../engine-options.ts';
import { type StockPaths, stockPaths, stockPathsIn, stockVersion } from './paths.ts';

/** What Node must find: the package, and what it loads besides TensorFlow.js itself, which is this checkout's. */
const packages = ['@tensorflow/tfjs-node', 'google-protobuf'];

/** Runs the command with its arguments (without the name). What is there already stays. */
export async function run(argv: string[]): Promise<void> {
  const { values } = parseArgs({ args: argv, options: { device: { type: 'string', default: 'cpu' } } });
  const paths = stockPaths(process.env, deviceOption(values.device));
  if (!existsSync(paths.folder)) await setUp(paths);
  console.log(`stock TensorFlow.js ${stockVersion} is ready in ${paths.folder}; choose it with --engine stock-node`);
}

/** Installs and compiles; the folder appears whole or not at all. Throws RangeError with everything that is missing. */
async function setUp(paths: StockPaths): Promise<void> {
  const { nodeHeaders, compiler } = await inspectMachine(path.dirname(paths.folder), process.env);
  const problems = missingHeaders(paths);
  if (compiler === undefined) problems.push('g++ is missing; install a C++17 compiler (Debian: g++).');
  if (nodeHeaders === undefined) problems.push("Node's headers are missing; run npm install in this checkout.");
  if (nodeHeaders === undefined || problems.length > 0) throw new RangeError(problems.join('\n'));
  const partial = stockPathsIn(`${paths.folder}.partial`, paths.library, paths.release);
  await rm(partial.folder, { recursive: true, force: true });
  await install(partial);
  console.log('compiling its binding');
  await compile(partial, nodeHeaders, path.relative(paths.folder, paths.library));
  await rename(partial.folder, paths.folder);
}

/** What the staged library has none of, a sentence each. */
function missingHeaders({ library, release }: StockPaths): string[] {
  const stage = `run npm run native -- ${release.device}`;
  if (!existsSync(library)) return [`TensorFlow's library for the ${release.device} is not staged here; ${stage}.`];
  const needed = ['c/eager/c_api.h', 'core/platform/ctstring_internal.h'];
  if (release.device === 'gpu') needed.push('core/framework/op_kernel.h');
  return needed
    .filter((name) => !existsSync(path.join(library, 'include', 'tensorflow', name)))
    .map((name) => `tensorflow/${name} is missing; remove ${library} and ${stage}.`);
}

/** Its install script is not run: it would fetch a TensorFlow of 2022. */
async function install({ folder, modules }: StockPaths): Promise<void> {
  const everything = path.join(folder, 'npm');
  await mkdir(everything, { recursive: true });
  console.log(`installing @tensorflow/tfjs-node ${stockVersion}`);
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--prefix', everything];
  await runCommand('npm', ['install', ...options, `@tensorflow/tfjs-node@${stockVersion}`]);
  for (const name of packages) {
    await mkdir(path.dirname(path.join(modules, name)), { recursive: true });
    await rename(path.join(everything, 'node_modules', name), path.join(modules, name));
  }
  await rm(everything, { recursive: true });
}

/** Its C++ files; with a GPU's library, also the op that tells what its allocator has held. */
async function compile({ modules, binding, library, release }: StockPaths, nodeHeaders: string, libraryFrom: string) {
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) =>
    path.join(modules, '@tensorflow/tfjs-node', 'binding', name),
  );
  if (release.device === 'gpu') sources.push(path.join(import.meta.dirname, 'allocator_peak.cc'));
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8'];
  const headers = ['-isystem', path.join(library, 'include'), '-isystem', nodeHeaders];
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => path.join(library, name));
  const search = `-Wl,-rpath,$ORIGIN/${libraryFrom}`;
  await runCommand('g++', [...flags, ...headers, ...sources, ...libraries, search, '-o', binding]);
}
