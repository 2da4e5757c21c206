import path from 'node:path';
import { cachePaths } from './cache.ts';
import { linkHostCuda } from './cuda-host.ts';
import { gpuVerdict } from './cuda-verdict.ts';
import { doctor } from './doctor.ts';
import { emulate } from './emulate.ts';
import { inspectMachine } from './machine.ts';
import { probeApart, probeHere } from './probe.ts';
import { cpuRelease, gpuRelease, releaseOf } from './release.ts';
import { sanitize } from './sanitize.ts';
import { stage } from './stage.ts';
import { StagingError } from './staging-error.ts';

/** Entry of `npm run native -- cpu|gpu|doctor|sanitize|emulate`. */
const say = (line: string): void => console.log(line);
const usage = `usage: npm run native -- cpu | gpu | doctor | sanitize | emulate | link-cuda FOLDER...
  cpu        fetches TensorFlow's library for CPUs and builds the native engine
  gpu        the same for NVIDIA GPUs, with CUDA's libraries
  doctor     says what is there, and why a GPU is or is not used
  sanitize   runs the tests of the engine's C++ and a training with GCC's sanitizers
  emulate    runs the tests of the engine for GPUs, and trainings, on an emulated one
  link-cuda  instead of fetching CUDA's libraries uses the host's below these folders, for measurements`;

async function main(command: string, more: readonly string[]): Promise<number> {
  switch (command) {
    case 'cpu': {
      const paths = await stage(cpuRelease, process.env, say);
      say(`the native engine is ready in ${paths.root}; choose it with HAYATE_ENGINE=native`);
      return 0;
    }
    case 'gpu': {
      const paths = await stage(gpuRelease, process.env, say);
      say(`the native engine for GPUs is ready in ${paths.root}`);
      const { problems } = gpuVerdict(await inspectMachine(paths.root, process.env));
      for (const problem of problems) say(`on this machine no GPU is used: ${problem}`);
      return 0;
    }
    case 'doctor':
      return (await doctor(process.env, probeApart, say)) ? 0 : 1;
    case 'sanitize':
      return sanitize();
    case 'emulate':
      return emulate();
    case 'link-cuda':
      return linkCuda(more);
    case 'probe': // what doctor starts
      say(JSON.stringify(probeHere(releaseOf(more[0] === 'gpu' ? 'gpu' : 'cpu'), process.env)));
      return 0;
    default:
      console.error(usage);
      return 2;
  }
}

/** Libraries of another major than the pinned ones are taken too: that has worked, and nobody promises it. */
function linkCuda(folders: readonly string[]): number {
  if (folders.length === 0) {
    console.error(usage);
    return 2;
  }
  const { root } = cachePaths(process.env, gpuRelease);
  const { linked, missing } = linkHostCuda(
    folders.map((folder) => path.resolve(folder)),
    root,
  );
  for (const [name, file] of linked) say(`${name.padEnd(19)} ${file}`);
  for (const name of missing) console.error(`${name.padEnd(19)} not found below ${folders.join(', ')}`);
  return missing.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv[2] ?? '', process.argv.slice(3));
} catch (error) {
  if (!(error instanceof StagingError)) throw error;
  for (const problem of error.problems) console.error(problem);
  process.exitCode = 1;
}
