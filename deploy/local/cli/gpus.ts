import { trainingJobSpec } from '@hayate/crds/trainingjob.ts';
import { visibleDeviceNames } from '@hayate/worker/engine/native/cuda-verdict.ts';
import { findGpus } from '@hayate/worker/engine/native/machine.ts';
import { gpuResource } from '../kubelet/gpus.ts';
import type { Manifest } from './manifest.ts';
import { CommandProblem } from './problem.ts';

/** GPUs of this machine that CUDA_VISIBLE_DEVICES leaves, by their names for it. */
export async function machineGpus(env: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  return visibleDeviceNames({ gpus: await findGpus(), visibleDevices: env['CUDA_VISIBLE_DEVICES'] });
}

/** Throws CommandProblem that names every job whose workers would wait for GPUs for ever. */
export function refuseMissingGpus(jobs: readonly Manifest[], gpus: readonly string[]): void {
  const problems = jobs.flatMap((job) => {
    const { workers } = trainingJobSpec.parse(job.object.spec);
    if (workers.resourceName === '') return [];
    const has = workers.resourceName === gpuResource ? gpus.length : 0;
    const missing = workers.replicas - has;
    return missing > 0 ? [`${job.file}: ${shortageOf(job.name, workers, has, missing)}`] : [];
  });
  if (problems.length > 0) throw new CommandProblem('Insufficient', problems.join('\n'));
}

function shortageOf(name: string, workers: { replicas: number; resourceName: string }, has: number, missing: number) {
  const { replicas, resourceName } = workers;
  const each = replicas === 1 ? 'for its worker' : 'one for each worker';
  const needs = `${name} needs ${replicas} ${resourceName}, ${each}; this machine has ${has === 0 ? 'none' : has}`;
  const fewer = has === 0 ? '' : `set workers.replicas to ${has}, or `;
  const advice = `${fewer}set workers.resourceName to '' to compute on the CPU`;
  return `${needs}: ${missing} missing; ${advice} (npm run native -- doctor says what was found)`;
}
