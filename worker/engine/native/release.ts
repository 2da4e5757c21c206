/** A published build of TensorFlow that the native engine is made from. */
export interface Release {
  /** Folder in the cache. */
  name: string;
  version: string;
  /** Python package that holds the libraries; the tags choose one wheel whatever Python runs here. */
  package: string;
  pythonVersion: string;
  platform: string;
  /** Of the wheel file. */
  sha256: string;
  /** What downloading and unpacking needs on disk, in bytes. */
  diskBytes: number;
  /** Oldest C library that the wheel runs with. */
  glibc: readonly [number, number];
}

/** Computes on the CPU. */
export const cpuRelease: Release = {
  name: '2.21.0-cpu',
  version: '2.21.0',
  package: 'tensorflow-cpu',
  pythonVersion: '3.11',
  platform: 'manylinux_2_27_x86_64',
  sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  diskBytes: 1_500_000_000,
  glibc: [2, 27],
};

/** Files of the wheel that the engine needs: libraries, and headers of the C API. */
export const wheelMembers: readonly string[] = [
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.so.2',
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/ctstring',
  'tensorflow/include/tsl/platform/ctstring',
  'tensorflow/include/xla/tsl/c/',
];
