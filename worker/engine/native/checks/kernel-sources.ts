import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

export const addonFolder = path.resolve(import.meta.dirname, '../addon');

/** Files of kernels, in the order in which gpu_kernels_gpu.cc puts them together. */
export async function kernelFiles(): Promise<string[]> {
  const starter = await readFile(path.join(addonFolder, 'gpu_kernels_gpu.cc'), 'utf8');
  return [...starter.matchAll(/HAYATE_SOURCES "\/(\w+\.cu)/g)].map(([, name]) => name as string);
}

/** Writes what emulated_kernels.h includes into a folder; returns the kernels' names. */
export async function writeKernels(folder: string): Promise<string[]> {
  const texts = await Promise.all((await kernelFiles()).map((name) => readFile(path.join(addonFolder, name), 'utf8')));
  const text = texts.join('').replaceAll('extern __shared__', 'extern');
  const names = [...text.matchAll(/extern "C" __global__ void (\w+)\(/g)].map(([, name]) => name as string);
  await writeFile(path.join(folder, 'device_kernels.inc'), text.replaceAll('extern "C" __global__', '__global__'));
  await writeFile(path.join(folder, 'device_kernels_list.inc'), names.map((name) => `KERNEL(${name})\n`).join(''));
  return names;
}
