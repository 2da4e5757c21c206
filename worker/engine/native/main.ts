import { doctor } from './doctor.ts';
import { cpuRelease } from './release.ts';
import { stage } from './stage.ts';
import { StagingError } from './staging-error.ts';

/** Entry of `npm run native -- cpu|doctor`. */
const say = (line: string): void => console.log(line);
const usage = `usage: npm run native -- cpu | doctor
  cpu     fetches TensorFlow's library for CPUs and builds the native engine
  doctor  says what is there, and why a GPU is not used`;

async function main(command: string): Promise<number> {
  switch (command) {
    case 'cpu': {
      const paths = await stage(cpuRelease, process.env, say);
      say(`the native engine is ready in ${paths.root}; choose it with HAYATE_ENGINE=native`);
      return 0;
    }
    case 'gpu':
      console.error('The native engine computes on CPUs only so far; run npm run native -- cpu.');
      return 2;
    case 'doctor':
      return (await doctor(cpuRelease, process.env, say)) ? 0 : 1;
    default:
      console.error(usage);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv[2] ?? '');
} catch (error) {
  if (!(error instanceof StagingError)) throw error;
  for (const problem of error.problems) console.error(problem);
  process.exitCode = 1;
}
