import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { type CudaWheel, cudaLibraryBytes } from './cuda-wheels.ts';
import { fetchWheel, unpackWheel } from './wheel.ts';

/** Where the CUDA libraries lie in the cache. */
export interface CudaPaths {
  /** Complete once it exists. */
  folder: string;
  partial: string;
  download: string;
  /** Link to the folder at the place where TensorFlow's library looks. */
  link: string;
}

/**
 * TensorFlow looks in `../nvidia/PACKAGE/lib` beside its own folder, and not for every package that it needs. All
 * libraries therefore lie in the folder of the one that it does look for; there they also find each other.
 */
const together = path.join('cuda_runtime', 'lib');

/**
 * The engine's addon looks for what it loads itself beside TensorFlow's library. These are linked there, and find each
 * other there.
 */
export const linkedBesideLibrary: readonly string[] = ['libnvrtc.so.12', 'libnvrtc-builtins.so.12.9'];

/** `root` is the cache's. Another choice of wheels lies in another folder. */
export function cudaPaths(root: string, wheels: readonly CudaWheel[]): CudaPaths {
  const key = createHash('sha256').update(JSON.stringify(wheels)).digest('hex').slice(0, 16);
  const folder = path.join(root, `cuda-${key}`);
  return { folder, partial: `${folder}.partial`, download: `${folder}.download`, link: path.join(root, 'nvidia') };
}

/** The folder in which libraries are searched, of a cache or of a bundle. */
export function cudaLibraryFolder(root: string): string {
  return path.join(root, 'nvidia', together);
}

/** Complete for the TensorFlow whose folder is `library`. */
export async function isCudaStaged(root: string, library: string, wheels: readonly CudaWheel[]): Promise<boolean> {
  const { folder, link } = cudaPaths(root, wheels);
  const isBeside = linkedBesideLibrary.every((name) => existsSync(path.join(library, name)));
  return isBeside && existsSync(folder) && (await readlink(link).catch(() => undefined)) === path.basename(folder);
}

/** Of the wheels those whose libraries an interrupted run has not unpacked yet. */
export function missingWheels(root: string, wheels: readonly CudaWheel[]): CudaWheel[] {
  const { folder, partial } = cudaPaths(root, wheels);
  if (existsSync(folder)) return [];
  const isThere = (name: string) => existsSync(path.join(partial, together, name));
  return wheels.filter(({ libraries }) => !libraries.every(isThere));
}

/** Disk that the missing wheels need, in bytes: their libraries, and the largest wheel while it is unpacked. */
export function cudaDiskBytes(missing: readonly CudaWheel[], all: readonly CudaWheel[]): number {
  const libraries = (cudaLibraryBytes * sizeOf(missing)) / sizeOf(all);
  return Math.ceil(libraries + Math.max(0, ...missing.map(({ bytes }) => bytes)));
}

export function sizeOf(wheels: readonly CudaWheel[]): number {
  return wheels.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Fetches, verifies and unpacks one wheel after the other; what an interrupted run has unpacked stays. */
export async function stageCuda(
  root: string,
  library: string,
  wheels: readonly CudaWheel[],
  say: (line: string) => void,
): Promise<void> {
  const { folder, partial, download, link } = cudaPaths(root, wheels);
  const target = path.join(partial, together);
  for (const wheel of missingWheels(root, wheels)) {
    const fetched = path.join(download, wheel.package);
    const file = await fetchWheel(wheel, fetched, say);
    const unpacked = path.join(download, 'unpacked');
    const members = wheel.libraries.map((name) => `${wheel.folder}/${name}`);
    await unpackWheel(file, unpacked, members);
    await mkdir(target, { recursive: true });
    for (const [i, name] of wheel.libraries.entries()) {
      await rename(path.join(unpacked, members[i] as string), path.join(target, name));
    }
    await rm(unpacked, { recursive: true });
    await rm(fetched, { recursive: true });
  }
  if (!existsSync(folder)) await rename(partial, folder);
  await rm(download, { recursive: true, force: true });
  await rm(`${link}.new`, { force: true });
  await symlink(path.basename(folder), `${link}.new`);
  await rm(link, { recursive: true, force: true }); // where the host's libraries were linked it is a folder
  await rename(`${link}.new`, link);
  for (const name of linkedBesideLibrary) {
    const beside = path.join(library, name);
    await rm(beside, { force: true });
    await symlink(path.relative(library, path.join(cudaLibraryFolder(root), name)), beside);
  }
}
