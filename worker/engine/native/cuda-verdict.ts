import path from 'node:path';
import { cudaDriver, cudaVersion } from './cuda-wheels.ts';
import { limitProblem, severalVisible } from './gpu-problems.ts';
import type { Gpu, Machine } from './machine.ts';

/** What TensorFlow registers no GPU without, what two of these need, and the compiler of the engine's own kernels. */
export const neededCuda: readonly string[] = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcufft.so.11',
  'libcusolver.so.11',
  'libcusparse.so.12',
  'libcudnn.so.9',
  'libnvJitLink.so.12',
  'libnvrtc.so.12',
];

/** The oldest driver that runs programs of CUDA 12. */
const oldestDriver = [525, 60] as const;
/** The oldest that compiles PTX 8.5, the only form in which part of TensorFlow's kernels exist for newer GPUs. */
const oldestForPtx = [555, 42] as const;
/** The newest compute capability for which the library has machine code of every kernel. */
const machineCodeUpTo = 8.9;

export interface GpuVerdict {
  isUsed: boolean;
  /** Every reason why no GPU is used; empty where one is. */
  problems: readonly string[];
  /** What is worth knowing although it works. */
  notes: readonly string[];
}

/** Whether a process on this machine computes on a GPU. */
export function gpuVerdict(machine: Machine): GpuVerdict {
  const visible = visibleGpus(machine);
  const problems = [...gpuProblems(machine, visible), ...libraryProblems(machine.cudaFiles)];
  return { isUsed: problems.length === 0, problems, notes: problems.length === 0 ? notesOn(visible) : [] };
}

/** The GPUs that CUDA_VISIBLE_DEVICES leaves. */
export function visibleGpus(machine: Pick<Machine, 'gpus' | 'visibleDevices'>): readonly Gpu[] {
  return devicesOf(machine).map(({ gpu }) => gpu);
}

/** Of each of these GPUs the word that shows it, and it alone, to a program whose CUDA_VISIBLE_DEVICES it is. */
export function visibleDeviceNames(machine: Pick<Machine, 'gpus' | 'visibleDevices'>): string[] {
  return devicesOf(machine).map(({ name }) => name);
}

function devicesOf({ gpus, visibleDevices }: Pick<Machine, 'gpus' | 'visibleDevices'>): { name: string; gpu: Gpu }[] {
  if (visibleDevices === undefined) return gpus.map((gpu) => ({ name: gpu.uuid, gpu }));
  const visible: { name: string; gpu: Gpu }[] = [];
  for (const name of visibleDevices.split(',').map((part) => part.trim())) {
    const gpu = gpuCalled(name, gpus);
    if (gpu === undefined) break; // the driver too stops at the first that it does not know
    visible.push({ name, gpu });
  }
  return visible;
}

/** By number, or by the first letters of its name; a part of a GPU stands for one. */
function gpuCalled(name: string, gpus: readonly Gpu[]): Gpu | undefined {
  if (/^\d+$/.test(name)) return gpus[Number(name)];
  if (name.startsWith('MIG-')) return gpus[0];
  return name.startsWith('GPU-') ? gpus.find(({ uuid }) => uuid.startsWith(name)) : undefined;
}

function gpuProblems({ gpus, visibleDevices, memoryLimitMib }: Machine, visible: readonly Gpu[]): string[] {
  const [first] = visible;
  if (gpus.length === 0) return ['no NVIDIA driver answers here (nvidia-smi is missing or lists no GPU)'];
  if (first === undefined) return [`CUDA_VISIBLE_DEVICES="${visibleDevices}" hides all ${gpus.length} GPUs`];
  const { driver, name, computeCapability } = first;
  const others = [visible.length > 1 ? severalVisible(visible.length) : undefined, limitProblem(memoryLimitMib, first)];
  const problems = others.filter((problem) => problem !== undefined);
  if (!isAtLeast(driver, oldestDriver)) {
    problems.push(`driver ${driver} is too old: CUDA 12 needs ${oldestDriver[0]} or newer; update the driver`);
  } else if ((computeCapability ?? 0) > machineCodeUpTo && !isAtLeast(driver, oldestForPtx)) {
    problems.push(`driver ${driver} is too old for the kernels of the ${name}: it needs ${oldestForPtx[0]} or newer`);
  }
  return problems;
}

function libraryProblems(files: readonly string[]): string[] {
  const names = new Set(files.map((file) => path.basename(file)));
  const missing = neededCuda.filter((soname) => !names.has(soname));
  if (missing.length === 0) return [];
  const described = missing.map((soname) => {
    const stem = soname.slice(0, soname.lastIndexOf('.') + 1);
    const others = [...names].filter((name) => name.startsWith(stem));
    return others.length === 0 ? soname : `${soname} (${others.join(', ')} is of another major)`;
  });
  return [`CUDA libraries are missing: ${described.join(', ')}; run npm run native -- gpu`];
}

function notesOn(visible: readonly Gpu[]): string[] {
  const notes: string[] = [];
  const driver = visible[0]?.driver ?? '';
  if (!isAtLeast(driver, cudaDriver)) {
    notes.push(
      `driver ${driver} is older than CUDA ${cudaVersion}'s own (${cudaDriver.join('.')}); it runs by CUDA 12's minor compatibility`,
    );
  }
  return notes;
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [has = 0, hasMinor = 0] = version.split('.').map(Number);
  return has > major || (has === major && hasMinor >= minor);
}
