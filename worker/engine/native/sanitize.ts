import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { cachePaths, compilerFlags } from './cache.ts';
import { compileElsewhere } from './compile.ts';
import { inspectMachine } from './machine.ts';
import { cpuRelease } from './release.ts';
import { findingsOf } from './sanitizer-report.ts';

const checkout = path.resolve(import.meta.dirname, '../../..');
const mocha = path.join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js');
const tests = ['addon', 'kernels', 'host-kernels', 'engine', 'contexts'].map(
  (name) => `worker/engine/native/${name}.test.ts`,
);
const runs: readonly (readonly string[])[] = [
  [mocha, '--timeout', '600000', ...tests],
  ['test/soak/native-training.ts', '200'],
];

const flags = [
  ...compilerFlags.filter((flag) => flag !== '-O3'),
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=undefined',
];

const asanOptions = [
  'detect_leaks=1',
  // Leaks are ours or not by their stacks; only the slow way of unwinding gets through TensorFlow's frames.
  'fast_unwind_on_malloc=0',
  'malloc_context_size=20',
  // V8 and TensorFlow take and give back memory in ways of their own.
  'alloc_dealloc_mismatch=0',
  'handle_segv=1',
  'allow_user_segv_handler=1',
];

/**
 * Node 24 ends with `Check failed: jit_page_->allocations_.erase(addr) == 1`, or by a signal, now and then where several threads use WebAssembly and
 * its code is collected (nodejs/node#64500). The tests here, slow as they are, met that in two of four runs, and in none of three without collection.
 */
const withoutCodeCollection = '--no-wasm-code-gc';

/** Runs one of {@link runs}; true where it passed and no leak is ours. */
async function runSanitized(args: readonly string[], caches: string, preload: readonly string[]): Promise<boolean> {
  const log = path.join(caches, 'report');
  const child = spawn(process.execPath, [withoutCodeCollection, ...args], {
    cwd: checkout,
    stdio: 'inherit',
    env: {
      ...process.env,
      XDG_CACHE_HOME: caches,
      LD_PRELOAD: preload.join(':'),
      ASAN_OPTIONS: [...asanOptions, `log_path=${log}`].join(':'),
      LSAN_OPTIONS: 'exitcode=0',
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${log}`,
    },
  });
  const code = await new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'nothing'));
  });
  const reports: string[] = [];
  for (const name of await readdir(caches)) {
    if (!name.startsWith('report')) continue;
    reports.push(await readFile(path.join(caches, name), 'utf8'));
    await rm(path.join(caches, name));
  }
  const { errors, leaks } = findingsOf(reports.join('\n'));
  for (const problem of [...errors, ...leaks]) console.error(problem);
  console.log(
    `${args.slice(0, 2).join(' ')}: ended with ${code}, ${errors.length} errors, ${leaks.length} leaks of ours`,
  );
  return code === 0 && errors.length + leaks.length === 0;
}

/** Libraries that must be there before Node starts; undefined where the compiler has none. */
async function sanitizerLibraries(): Promise<string[] | undefined> {
  const found: string[] = [];
  for (const name of ['libasan.so', 'libubsan.so', 'libstdc++.so']) {
    const { stdout } = await promisify(execFile)('g++', [`-print-file-name=${name}`]);
    if (!path.isAbsolute(stdout.trim())) return undefined;
    found.push(stdout.trim());
  }
  return found;
}

/**
 * Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer, and runs its tests and a training with it:
 * `npm run native -- sanitize`. Needs the staged library, g++ and its sanitizers; says what is missing. Returns 0
 * where nothing was found.
 */
export async function sanitize(): Promise<number> {
  const paths = cachePaths(process.env, cpuRelease);
  const { compiler, nodeHeaders } = await inspectMachine(paths.root, process.env);
  const leaveOut = (reason: string) => console.log(`sanitizers: left out, ${reason}`);
  if (!existsSync(paths.library)) leaveOut('TensorFlow is not staged here; run npm run native -- cpu');
  else if (compiler === undefined || nodeHeaders === undefined) leaveOut("g++ or Node's headers are missing");
  else {
    const preload = await sanitizerLibraries();
    if (preload === undefined) {
      leaveOut('g++ has no sanitizers here (Debian: libasan, libubsan)');
      return 0;
    }
    const caches = await mkdtemp(path.join(tmpdir(), 'hayate-sanitized-'));
    try {
      await compileElsewhere(paths, cpuRelease, nodeHeaders, caches, { flags });
      let passed = true;
      for (const args of runs) passed = (await runSanitized(args, caches, preload)) && passed;
      return passed ? 0 : 1;
    } finally {
      await rm(caches, { recursive: true, force: true });
    }
  }
  return 0;
}

if (import.meta.main) process.exitCode = await sanitize();
