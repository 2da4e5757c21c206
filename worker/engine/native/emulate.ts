import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addonSources, cachePaths } from './cache.ts';
import { writeKernels } from './checks/kernel-sources.ts';
import { runCommand } from './command.ts';
import { inspectMachine } from './machine.ts';
import { gpuRelease } from './release.ts';

const checkout = path.resolve(import.meta.dirname, '../../..');
const mocha = path.join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js');
const tests = ['engine', 'kernels', 'formats'].map((name) => `worker/engine/native/${name}.test.ts`);
/** Trainings in which ops of TensorFlow run at any time. */
const withOps = ['worker/compute/choose-layout.test.ts', 'worker/compute/watch-reuse.test.ts'];

interface Run {
  args: readonly string[];
  /** The GPU waits for sums by itself. */
  waits: boolean;
}

/** A short training of a small network: alone, with all gradients going to the host and back, and by two ranks. */
function trainings(model: string, imageSize: number): Run[] {
  const small = ['--image-size', String(imageSize), '--width', '0.0625', '--batch', '2'];
  const how = ['--engine', 'native', '--device', 'gpu', '--resident-batch', '--warm-up', '3', '--steps', '4'];
  const alone = ['test/bench/main.ts', 'train', '--model', model, ...small, ...how];
  return [[], ['--hand-over'], ['--world', '2']].map((more) => ({ args: [...alone, ...more], waits: true }));
}

const runs: readonly Run[] = [
  { args: [mocha, '--timeout', '600000', ...tests], waits: true },
  { args: [mocha, '--timeout', '600000', ...withOps], waits: false },
  ...trainings('alexnet', 67),
  ...trainings('vgg16', 32),
  ...trainings('resnet50', 32),
];

const flags = ['-std=c++17', '-O1', '-g', '-ffp-contract=off', '-fPIC', '-shared', '-fvisibility=hidden', '-w'];
/** Files of the addon that reach for a real GPU. */
const real = ['cuda_driver_gpu.cc', 'gpu_open_gpu.cc'];

async function build(library: string, nodeHeaders: string, caches: string): Promise<void> {
  const emulated = cachePaths({ XDG_CACHE_HOME: caches }, gpuRelease);
  await mkdir(emulated.addonFolder, { recursive: true });
  await symlink(library, emulated.library);
  await writeKernels(caches);
  const { loader, engine } = addonSources('gpu');
  const sources = engine.filter((file) => !real.includes(path.basename(file)));
  const include = path.join(library, 'include');
  const folders = [include, path.join(include, 'external', 'farmhash_archive', 'src'), nodeHeaders];
  const headers = ['-I', caches, ...folders.flatMap((folder) => ['-isystem', folder])];
  const definitions = ['-DNAPI_VERSION=8', `-DHAYATE_SOURCES="${path.dirname(loader)}"`];
  const libraries = ['cc', 'framework'].map((part) => path.join(library, `libtensorflow_${part}.so.2`));
  const compile = (files: readonly string[], more: readonly string[], to: string) =>
    runCommand('g++', [...flags, ...definitions, ...headers, ...files, ...more, `-Wl,-rpath,${library}`, '-o', to]);
  const device = path.join(import.meta.dirname, 'checks', 'emulated-device.cc');
  await Promise.all([
    compile([...sources, device], libraries, path.join(emulated.addonFolder, 'engine.so')),
    compile([loader], ['-ldl'], emulated.addon),
  ]);
}

/** Runs one of {@link runs}; true where it passed. */
async function runEmulated({ args, waits }: Run, caches: string): Promise<boolean> {
  const env = {
    ...process.env,
    XDG_CACHE_HOME: caches,
    HAYATE_TEST_DEVICE: 'gpu',
    HAYATE_GPU_ALLOCATOR: 'own',
    ...(!waits && { EMULATED_GPU_WAITS: '0' }),
  };
  const child = spawn(process.execPath, [...args], { cwd: checkout, stdio: 'inherit', env });
  const code = await new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'nothing'));
  });
  if (code !== 0) console.error(`${args.join(' ')}: ended with ${code}`);
  return code === 0;
}

/**
 * Builds the engine for GPUs over an emulated one, see checks/emulated-device.cc, and runs its tests and a few trainings:
 * `npm run native -- emulate`. Needs the staged library for GPUs and g++, and no GPU; says what is missing. Returns 0 where
 * all passed.
 */
export async function emulate(): Promise<number> {
  const paths = cachePaths(process.env, gpuRelease);
  const { compiler, nodeHeaders } = await inspectMachine(paths.root, process.env);
  const leaveOut = (reason: string) => {
    console.log(`emulated GPU: left out, ${reason}`);
    return 0;
  };
  if (!existsSync(paths.library)) return leaveOut('TensorFlow for GPUs is not staged here; run npm run native -- gpu');
  if (compiler === undefined || nodeHeaders === undefined) return leaveOut("g++ or Node's headers are missing");
  const caches = await mkdtemp(path.join(tmpdir(), 'hayate-emulated-'));
  try {
    await build(paths.library, nodeHeaders, caches);
    let passed = true;
    for (const run of runs) passed = (await runEmulated(run, caches)) && passed;
    return passed ? 0 : 1;
  } finally {
    await rm(caches, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = await emulate();
