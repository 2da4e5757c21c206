import { gpuVerdict } from './cuda-verdict.ts';
import { doctor } from './doctor.ts';
import { inspectMachine } from './machine.ts';
import { probeApart, probeHere } from './probe.ts';
import { cpuRelease, gpuRelease, releaseOf } from './release.ts';
import { stage } from './stage.ts';
import { StagingError } from './staging-error.ts';

/** Entry of `npm run native -- cpu|gpu|doctor`. */
const say = (line: string): void => console.log(line);
const usage = `usage: npm run native -- cpu | gpu | doctor
  cpu     fetches TensorFlow's library for CPUs and builds the native engine
  gpu     the same for NVIDIA GPUs, with CUDA's libraries
  doctor  says what is there, and why a GPU is or is not used`;

async function main(command: string, argument: string | undefined): Promise<number> {
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
    case 'probe': // what doctor starts
      say(JSON.stringify(probeHere(releaseOf(argument === 'gpu' ? 'gpu' : 'cpu'), process.env)));
      return 0;
    default:
      console.error(usage);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv[2] ?? '', process.argv[3]);
} catch (error) {
  if (!(error instanceof StagingError)) throw error;
  for (const problem of error.problems) console.error(problem);
  process.exitCode = 1;
}
