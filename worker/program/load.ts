import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { TrainingProgram } from './define.ts';
import { ProgramError } from './program-error.ts';
import { provideToPrograms } from './resolve.ts';

/** Programs that come with Hayate. */
export type BuiltinName = 'mnist' | 'alexnet' | 'vgg16' | 'resnet50';

/** Exactly one of the two, as the contract's schema ensures. */
export interface ProgramSource {
  builtin?: BuiltinName | undefined;
  /** Absolute, or relative to the worker's working directory; .ts, .js or .mjs. */
  module?: string | undefined;
}

/** Loads a training program. Throws {@link ProgramError} that says everything that is wrong with it. */
export async function loadProgram(source: ProgramSource, workingDirectory: string): Promise<TrainingProgram> {
  if (source.builtin !== undefined) return loadBuiltin(source.builtin);
  const file = path.resolve(workingDirectory, source.module ?? '');
  if (!existsSync(file)) {
    const given = source.module === file ? '' : ` (training.program.module is ${source.module})`;
    throw new ProgramError(
      'moduleMissing',
      `there is no program at ${file}${given}; give the path of a .ts or .js module`,
    );
  }
  provideToPrograms();
  const problems: string[] = [];
  const program = await importDefault(file, problems);
  if (problems.length === 0) problems.push(...problemsOf(program));
  if (problems.length > 0) {
    throw new ProgramError('notAProgram', `${file} is not a training program: ${problems.join('; ')}`);
  }
  return program as TrainingProgram;
}

/** A built-in program. */
export async function loadBuiltin(name: BuiltinName): Promise<TrainingProgram> {
  switch (name) {
    case 'mnist':
      return (await import('./builtin/mnist.ts')).default as TrainingProgram;
    case 'alexnet':
      return (await import('./builtin/alexnet.ts')).default as TrainingProgram;
    case 'vgg16':
      return (await import('./builtin/vgg16.ts')).default as TrainingProgram;
    case 'resnet50':
      return (await import('./builtin/resnet50.ts')).default as TrainingProgram;
    default:
      throw new ProgramError('moduleMissing', `there is no built-in program ${String(name satisfies never)}`);
  }
}

async function importDefault(file: string, problems: string[]): Promise<unknown> {
  let namespace: { default?: unknown };
  try {
    namespace = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw importFailure(file, error);
  }
  if (namespace.default === undefined)
    problems.push('it has no default export; write `export default defineTraining({ … })`');
  return namespace.default;
}

function importFailure(file: string, error: unknown): ProgramError {
  const { message } = error instanceof Error ? error : { message: String(error) };
  const tensorFlow = /Cannot find (?:package|module) '(@tensorflow\/[^']+)'/.exec(message)?.[1];
  const advice =
    tensorFlow === undefined
      ? ''
      : `; a program does not import ${tensorFlow}: its functions get TensorFlow.js as their argument tf`;
  return new ProgramError('moduleFailed', `${file} cannot be loaded: ${message}${advice}`, { cause: error });
}

const losses = ['softmaxCrossEntropy', 'sparseSoftmaxCrossEntropy', 'sigmoidCrossEntropy', 'meanSquaredError'];

function problemsOf(program: unknown): string[] {
  if (typeof program !== 'object' || program === null) {
    return [
      `its default export is ${program === null ? 'null' : `a ${typeof program}`}; it must be defineTraining({ … })`,
    ];
  }
  const { parameters, model, loss, optimizer, data, evaluate, ...others } = program as Record<string, unknown>;
  const problems: string[] = [];
  if (
    typeof (parameters as { safeParse?: unknown } | undefined)?.safeParse !== 'function' &&
    parameters !== undefined
  ) {
    problems.push('parameters must be a zod schema');
  }
  for (const [name, value] of Object.entries({ model, optimizer, data })) {
    if (typeof value !== 'function') problems.push(`${name} must be a function`);
  }
  if (typeof loss !== 'function' && !losses.includes(loss as string)) {
    problems.push(`loss must be one of ${losses.join(', ')}, or a function`);
  }
  if (evaluate !== undefined && typeof evaluate !== 'function') problems.push('evaluate must be a function');
  for (const name of Object.keys(others)) problems.push(`${name} is not part of a training program`);
  return problems;
}
