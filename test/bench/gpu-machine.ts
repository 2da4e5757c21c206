import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { EngineSettings } from '../../worker/engine/engine.ts';
import { type Machine, thisMachine } from './document.ts';

/** This machine, with its GPU if that is the device. */
export async function machineWith(device: EngineSettings['device']): Promise<Machine> {
  const gpu = device === 'gpu' ? await gpuName() : undefined;
  return { ...thisMachine(), ...(gpu !== undefined && { gpu }) };
}

/** Name and driver of the first NVIDIA GPU of this machine; undefined where there is none. */
async function gpuName(): Promise<string | undefined> {
  try {
    const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query);
    return stdout.trim().split('\n')[0];
  } catch {
    return undefined;
  }
}
