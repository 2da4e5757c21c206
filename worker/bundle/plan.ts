import path from 'node:path';
import type { CachePaths } from '../engine/native/cache.ts';
import { cudaLibraryFolder, linkedBesideLibrary } from '../engine/native/cuda.ts';
import { cudaWheels } from '../engine/native/cuda-wheels.ts';
import type { BundleRequest } from './arguments.ts';

/** A large file that is compressed by itself. */
export interface Binary {
  source: string;
  /** In the bundle. */
  target: string;
  /** Symbols that only debuggers read are dropped. */
  isStripped: boolean;
  /** Programs for other GPUs are blanked; undefined: all stay. */
  architectures: readonly number[] | undefined;
}

/** What goes where; targets are relative to the bundle's folder. */
export interface BundlePlan {
  binaries: readonly Binary[];
  /** From source to target. */
  files: readonly (readonly [string, string])[];
  /** From target to what it points at. */
  links: readonly (readonly [string, string])[];
}

/** Folders of the bundle. */
export const appFolder = 'app';
export const cacheFolder = path.join('cache', 'hayate', 'native');
export const cudaFolder = cudaLibraryFolder(cacheFolder);

/** Of what is staged: profilers, several GPUs in one process, and random numbers; nothing of ours loads these. */
const leftOut = new Set(['libcupti.so.12', 'libnccl.so.2', 'libcurand.so.10']);
/** Another major of it cannot stand in for this one, unlike those of the other libraries; it is small. */
const alwaysIncluded = 'libcudart.so.12';

export interface PlanInput {
  request: BundleRequest;
  /** The checkout. */
  root: string;
  /** Path of the Node binary. */
  node: string;
  paths: CachePaths;
  /** Files of the checkout, relative to it. */
  appFiles: readonly string[];
  /** Workspace packages: name and folder relative to the checkout. */
  packages: readonly (readonly [string, string])[];
  /** Small files of the cache, relative to it: the addon, and what benchmarks compare with. */
  cacheFiles: readonly string[];
}

export function planBundle({ request, root, node, paths, appFiles, packages, cacheFiles }: PlanInput): BundlePlan {
  const { device, architectures: wanted } = request;
  const architectures = wanted.length > 0 ? wanted : undefined;
  const libraryFolder = path.join(cacheFolder, path.basename(paths.library));
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => ({
    source: path.join(paths.library, name),
    target: path.join(libraryFolder, name),
    isStripped: true,
    architectures: device === 'gpu' ? architectures : undefined,
  }));
  const cuda = cudaLibraries(request).map((name) => ({
    source: path.join(cudaLibraryFolder(paths.root), name),
    target: path.join(cudaFolder, name),
    isStripped: false,
    architectures,
  }));
  return {
    binaries: [{ source: node, target: 'bin/node', isStripped: true, architectures: undefined }, ...libraries, ...cuda],
    files: [
      ...appFiles.map((file) => [path.join(root, file), path.join(appFolder, file)] as const),
      ...cacheFiles.map((file) => [path.join(paths.root, file), path.join(cacheFolder, file)] as const),
    ],
    links: [
      ...packages
        .filter(([, folder]) => appFiles.some((file) => file.startsWith(`${folder}/`)))
        .map(([name, folder]) => linkOf(path.join(appFolder, 'node_modules', name), path.join(appFolder, folder))),
      ...linkedBesideLibrary
        .filter((name) => cuda.some(({ target }) => path.basename(target) === name))
        .map((name) => linkOf(path.join(libraryFolder, name), path.join(cudaFolder, name))),
    ],
  };
}

function cudaLibraries({ device, cuda }: BundleRequest): string[] {
  if (device === 'cpu') return [];
  if (cuda === 'host') return [alwaysIncluded];
  return cudaWheels.flatMap(({ libraries }) => libraries).filter((name) => !leftOut.has(name));
}

function linkOf(link: string, target: string): [string, string] {
  return [link, path.relative(path.dirname(link), target)];
}
