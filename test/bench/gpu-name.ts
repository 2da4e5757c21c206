import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Name and driver of the first NVIDIA GPU of this machine; undefined where there is none. */
export async function gpuName(): Promise<string | undefined> {
  try {
    const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query);
    return stdout.trim().split('\n')[0];
  } catch {
    return undefined;
  }
}
