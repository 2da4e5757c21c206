import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addonSources, type CachePaths, cachePaths, compilerFlags } from './cache.ts';
import { writeKernels } from './checks/kernel-sources.ts';
import { compileElsewhere } from './compile.ts';
import { inspectMachine } from './machine.ts';
import { gpuRelease } from './release.ts';

const checkout = path.resolve(import.meta.dirname, '../../..');
const mocha = path.join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js');
const tests = ['engine', 'kernels', 'formats', 'hand-over'].map((name) => `worker/engine/native/${name}.test.ts`);
/** Trainings in which ops of TensorFlow run at any time. */
const withOps = [
  ...['choose-layout', 'watch-reuse'].map((name) => `worker/compute/${name}.test.ts`),
  'worker/engine/native/hand-over.test.ts',
];

interface Run {
  args: readonly string[];
  /** The GPU waits for sums by itself; in a step with ops of TensorFlow, like ResNet-50's, it cannot be sure to. */
  waits: boolean;
}

/** A short training of a small network by two ranks, who end with the same weights. */
function byTwo(model: string, imageSize: number): string[] {
  const small = ['--image-size', String(imageSize), '--width', '0.0625', '--batch', '2'];
  const how = ['--engine', 'native', '--device', 'gpu', '--resident-batch', '--warm-up', '3', '--steps', '4'];
  return ['test/bench/main.ts', 'train', '--model', model, ...small, ...how, '--world', '2'];
}

const runs: readonly Run[] = [
  { args: [mocha, '--timeout', '600000', '--grep', 'resnet50', '--invert', ...tests], waits: true },
  { args: [mocha, '--timeout', '600000', ...withOps], waits: false },
  { args: byTwo('alexnet', 67), waits: true },
  { args: byTwo('vgg16', 32), waits: true },
  { args: byTwo('resnet50', 32), waits: false },
];

const flags = [...compilerFlags.filter((flag) => flag !== '-O3' && flag !== '-Wall'), '-O1', '-g', '-w'];
/** Files of the addon that reach for a real GPU. */
const real = ['cuda_driver_gpu.cc', 'gpu_open_gpu.cc'];

async function build(staged: CachePaths, nodeHeaders: string, caches: string): Promise<void> {
  await writeKernels(caches);
  const engine = addonSources('gpu').engine.filter((file) => !real.includes(path.basename(file)));
  const device = path.join(import.meta.dirname, 'checks', 'emulated-device.cc');
  const variant = { flags: [...flags, '-I', caches], engine: [...engine, device] };
  await compileElsewhere(staged, gpuRelease, nodeHeaders, caches, variant);
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
    await build(paths, nodeHeaders, caches);
    let passed = true;
    for (const run of runs) passed = (await runEmulated(run, caches)) && passed;
    return passed ? 0 : 1;
  } finally {
    await rm(caches, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = await emulate();
