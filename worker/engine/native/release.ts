/** A file of a Python package index; the tags choose one whatever Python runs here. */
export interface Wheel {
  package: string;
  version: string;
  pythonVersion: string;
  platform: string;
  /** Size of the wheel file. */
  bytes: number;
  /** Of the wheel file. */
  sha256: string;
}

/** A published build of TensorFlow that the native engine is made from. */
export interface Release extends Wheel {
  /** Folder in the cache. */
  name: string;
  device: 'cpu' | 'gpu';
  /** Files of the wheel that the engine needs: libraries and headers; beginnings of names. */
  members: readonly string[];
  /** What downloading and unpacking needs on disk, in bytes. */
  diskBytes: number;
  /** Oldest C library that the wheel runs with. */
  glibc: readonly [number, number];
}

const libraries = ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'];

/** Computes on the CPU, through the C API alone. */
export const cpuRelease: Release = {
  name: '2.21.0-cpu',
  version: '2.21.0',
  package: 'tensorflow-cpu',
  pythonVersion: '3.11',
  platform: 'manylinux_2_27_x86_64',
  device: 'cpu',
  members: [
    ...libraries,
    'tensorflow/include/tensorflow/c/',
    'tensorflow/include/tensorflow/core/platform/ctstring',
    'tensorflow/include/tsl/platform/ctstring',
    'tensorflow/include/xla/tsl/c/',
  ],
  bytes: 273_829_956,
  sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  diskBytes: 1_500_000_000,
  glibc: [2, 27],
};

/** Computes on an NVIDIA GPU; the addon's GPU half also needs the headers of what lies behind the C API. */
export const gpuRelease: Release = {
  name: '2.21.0-gpu',
  version: '2.21.0',
  package: 'tensorflow',
  pythonVersion: '3.11',
  platform: 'manylinux_2_27_x86_64',
  device: 'gpu',
  members: [...libraries, 'tensorflow/include/'],
  bytes: 572_440_367,
  sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  diskBytes: 3_500_000_000,
  glibc: [2, 27],
};

export function releaseOf(device: Release['device']): Release {
  return device === 'gpu' ? gpuRelease : cpuRelease;
}
