import type { Wheel } from './release.ts';

/** A wheel with libraries of CUDA. */
export interface CudaWheel extends Wheel {
  /** Folder of the libraries in the wheel. */
  folder: string;
  /** Names of the libraries that are kept. */
  libraries: readonly string[];
}

/** What the pinned libraries are part of, and the oldest driver made for it. */
export const cudaVersion = '12.9';
export const cudaDriver: readonly [number, number] = [575, 51];

/**
 * The newest CUDA 12 libraries in the ranges that TensorFlow 2.21 names in its extra `and-cuda`. Left out of it: the
 * compiler (nothing is compiled with it at run time); left out of the wheels: profilers' and multi-GPU extras.
 */
export const cudaWheels: readonly CudaWheel[] = [
  wheel({
    part: 'cuda-runtime',
    version: '12.9.79',
    platform: 'manylinux2014_x86_64',
    bytes: 3_493_179,
    sha256: '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
    libraries: ['libcudart.so.12'],
  }),
  wheel({
    part: 'cublas',
    version: '12.9.3.13',
    platform: 'manylinux_2_27_x86_64',
    bytes: 581_217_458,
    sha256: 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
    libraries: ['libcublas.so.12', 'libcublasLt.so.12'],
  }),
  wheel({
    part: 'cudnn',
    version: '9.28.0.42',
    platform: 'manylinux_2_27_x86_64',
    bytes: 716_538_495,
    sha256: '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
    libraries: [
      'libcudnn.so.9',
      'libcudnn_adv.so.9',
      'libcudnn_cnn.so.9',
      'libcudnn_engines_precompiled.so.9',
      'libcudnn_engines_runtime_compiled.so.9',
      'libcudnn_engines_tensor_ir.so.9',
      'libcudnn_ext.so.9',
      'libcudnn_graph.so.9',
      'libcudnn_heuristic.so.9',
      'libcudnn_ops.so.9',
    ],
  }),
  wheel({
    part: 'cufft',
    version: '11.4.1.4',
    platform: 'manylinux2014_x86_64',
    bytes: 200_877_592,
    sha256: 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
    libraries: ['libcufft.so.11'],
  }),
  wheel({
    part: 'curand',
    version: '10.3.10.19',
    platform: 'manylinux_2_27_x86_64',
    bytes: 68_295_626,
    sha256: '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
    libraries: ['libcurand.so.10'],
  }),
  wheel({
    part: 'cusolver',
    version: '11.7.5.82',
    platform: 'manylinux_2_27_x86_64',
    bytes: 338_117_415,
    sha256: '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
    libraries: ['libcusolver.so.11'],
  }),
  wheel({
    part: 'cusparse',
    version: '12.5.10.65',
    platform: 'manylinux2014_x86_64',
    bytes: 366_465_088,
    sha256: '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
    libraries: ['libcusparse.so.12'],
  }),
  wheel({
    part: 'nvjitlink',
    version: '12.9.86',
    platform: 'manylinux2010_x86_64',
    bytes: 39_748_338,
    sha256: 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
    libraries: ['libnvJitLink.so.12'],
  }),
  wheel({
    part: 'nccl',
    version: '2.32.3',
    platform: 'manylinux_2_27_x86_64',
    bytes: 351_526_311,
    sha256: 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
    libraries: ['libnccl.so.2'],
  }),
  wheel({
    part: 'cuda-cupti',
    version: '12.9.79',
    platform: 'manylinux_2_25_x86_64',
    bytes: 10_814_997,
    sha256: '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f',
    libraries: ['libcupti.so.12'],
  }),
  wheel({
    part: 'cuda-nvrtc',
    version: '12.9.86',
    platform: 'manylinux2010_x86_64',
    bytes: 89_568_129,
    sha256: '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
    libraries: ['libnvrtc.so.12', 'libnvrtc-builtins.so.12.9'],
  }),
];

/** Bytes of all kept libraries, unpacked. */
export const cudaLibraryBytes = 3_955_100_952;

function wheel(given: Omit<CudaWheel, 'package' | 'pythonVersion' | 'folder'> & { part: string }): CudaWheel {
  const { part, ...rest } = given;
  return {
    ...rest,
    package: `nvidia-${part}-cu12`,
    pythonVersion: '3.11',
    folder: `nvidia/${part.replace('-', '_')}/lib`,
  };
}
