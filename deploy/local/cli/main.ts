import { existsSync, readFileSync } from 'node:fs';
import { diskProblem } from '../kubelet/logs.ts';
import { type Command, parseCommand } from './command.ts';
import { exampleManifest } from './example.ts';
import { count } from './format.ts';
import { helpText } from './help.ts';
import { abortOnInterrupt } from './interrupt.ts';
import { type Manifest, type ManifestFile, problemLine, readManifests } from './manifest.ts';
import type { Terminal } from './output.ts';
import { CommandProblem } from './problem.ts';
import type { TrainRequest } from './train.ts';

const interruptedStatus = 130;

/** Loaded only when needed: a Kubernetes client or TensorFlow.js takes a second that help and validate do not have to wait. */
const slowCommands = {
  train: async () => (await import('./train.ts')).train,
  up: async () => (await import('./up.ts')).up,
  plan: async () => (await import('./plan.ts')).plan,
  gpus: async () => (await import('./gpus.ts')).machineGpus,
};

/** Runs one command. @returns the exit status */
async function execute(command: Command, terminal: Terminal, signal: AbortSignal): Promise<number> {
  switch (command.kind) {
    case 'start': {
      const jobs = readJobs([exampleManifest], terminal);
      return jobs === undefined ? 2 : trainHere({ ...command, jobs, keep: false }, terminal, signal);
    }
    case 'run': {
      const jobs = readJobs(command.files, terminal);
      return jobs === undefined ? 2 : trainHere({ ...command, jobs }, terminal, signal);
    }
    case 'up':
      return (await slowCommands.up())(command, terminal, signal, await gpusHere());
    case 'validate': {
      const jobs = readJobs(command.files, terminal);
      for (const job of jobs ?? []) terminal.write(`${job.file}: ${job.name} is right\n`);
      return jobs === undefined ? 2 : 0;
    }
    case 'plan': {
      const jobs = readJobs(command.files, terminal);
      return jobs === undefined ? 2 : (await slowCommands.plan())({ ...command, jobs }, terminal, process.env);
    }
    case 'help':
      terminal.write(helpText(command.topic));
      return 0;
    case 'version':
      terminal.write(`${version()}\n`);
      return 0;
    default:
      return assertNever(command);
  }
}

async function trainHere(request: TrainRequest, terminal: Terminal, signal: AbortSignal): Promise<number> {
  return (await slowCommands.train())(request, terminal, signal, await gpusHere());
}

async function gpusHere(): Promise<readonly string[]> {
  return (await slowCommands.gpus())(process.env);
}

/** Jobs of all files, or undefined after every problem of every file has been printed. */
function readJobs(paths: readonly string[], terminal: Terminal): Manifest[] | undefined {
  const { jobs, problems } = readManifests(paths.map(readFile), existsSync);
  if (problems.length === 0) return jobs;
  for (const problem of problems) terminal.writeError(`${problemLine(problem)}\n`);
  terminal.writeError(`${count(problems.length, 'problem')}; nothing was started\n`);
  return undefined;
}

function readFile(path: string): ManifestFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a directory; name its files' : message;
    throw new CommandProblem('BadInput', `${path} ${why}`, error);
  }
}

/** Errors with a code carry a sentence for people; anything else is a fault of ours, with its place. */
function sentenceOf(error: unknown, command: Command): string {
  const { code, message, path, stack } = error as NodeJS.ErrnoException;
  if (error instanceof CommandProblem || code === undefined)
    return (code === undefined ? stack : message) ?? String(error);
  // A write does not say where; all of ours go into the run's directory.
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskProblem(path ?? directoryOf(command), error as Error);
  return message;
}

function directoryOf(command: Command): string {
  return 'directory' in command ? command.directory : '.';
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}

const terminal: Terminal = {
  write: (text) => process.stdout.write(text),
  writeError: (text) => process.stderr.write(text),
  isTerminal: process.stdout.isTTY,
  columns: () => process.stdout.columns,
  now: Date.now,
  random: Math.random,
  pid: process.pid,
  cwd: process.cwd(),
};

const parsed = parseCommand(process.argv.slice(2));
if (parsed.ok) {
  const interrupt = abortOnInterrupt(process, Date.now, () => process.exit(interruptedStatus));
  // A reader that went away (| head) wants no more of it.
  process.stdout.on('error', () => interrupt.abort());
  try {
    process.exitCode = await execute(parsed.command, terminal, interrupt.signal);
  } catch (error) {
    process.exitCode = error instanceof CommandProblem ? error.exitCode : 1;
    if (interrupt.signal.aborted) process.exitCode = interruptedStatus;
    else terminal.writeError(`hayate: ${sentenceOf(error, parsed.command)}\n`);
  }
  // Whatever a library still keeps open must not keep a person waiting.
  process.exit();
} else {
  terminal.writeError(`hayate: ${parsed.sentence}\n`);
  process.exitCode = 2;
}
