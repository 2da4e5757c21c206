import { readdirSync } from 'node:fs';
import path from 'node:path';
import { cudaLibraryFolder } from './cuda.ts';

const cudaFile = /^lib(cudart|cublas|cublasLt|cudnn|cufft|cusolver|cusparse|nvJitLink|nvrtc)\.so\.\d+$/;

/**
 * CUDA's libraries, whatever their major, in the order in which the dynamic linker looks: in LD_LIBRARY_PATH, in the
 * cache `root`, in the system (`linker`: what `ldconfig -p` prints).
 */
export function findCudaFiles(root: string, libraryPath: string | undefined, linker: string): string[] {
  const folders = (libraryPath ?? '').split(':').filter((folder) => folder !== '');
  const staged = [...folders, cudaLibraryFolder(root)].flatMap((folder) => {
    try {
      return readdirSync(folder).map((name) => path.join(folder, name));
    } catch {
      return [];
    }
  });
  const system = [...linker.matchAll(/=> (\S+)$/gm)].map(([, file]) => file as string);
  return [...staged, ...system].filter((file) => cudaFile.test(path.basename(file)));
}
