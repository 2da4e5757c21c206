import { fileURLToPath } from 'node:url';
import type { TrainingProgram } from '../../worker/program/define.ts';
import type { ProgramSource } from '../../worker/program/load.ts';
import { type BuiltinName, loadBuiltin } from '../../worker/program/load.ts';
import { parseParameters } from '../../worker/program/parameters.ts';
import { wholeNumber } from './document.ts';
import vgg from './programs/vgg.ts';

/** Options that say what is trained, for node:util's parseArgs. */
export const modelOptions = {
  model: { type: 'string' },
  batch: { type: 'string' },
  'image-size': { type: 'string' },
  width: { type: 'string' },
} as const;

type ModelValues = { [K in keyof typeof modelOptions]?: string | undefined };

/** A model to measure, by the names of the benchmarks. */
export interface Model {
  name: string;
  /** A program of the benchmarks' own; the others come with Hayate. */
  program?: TrainingProgram;
  /** Where a worker finds that program. */
  module?: string;
  /** Batch where none is asked for. */
  batch: number;
  /** Takes --image-size and --width. */
  isSized: boolean;
}

export const models: readonly Model[] = [
  { name: 'mnist', batch: 64, isSized: false },
  {
    name: 'vgg',
    program: vgg,
    module: fileURLToPath(new URL('./programs/vgg.ts', import.meta.url)),
    batch: 16,
    isSized: false,
  },
  { name: 'alexnet', batch: 128, isSized: true },
  { name: 'vgg16', batch: 64, isSized: true },
  { name: 'resnet50', batch: 64, isSized: true },
];

/** The models that the options name: all small ones where they name none. Throws RangeError for what makes no sense. */
export function chosenModels(values: ModelValues): Model[] {
  const { model: name, 'image-size': size, width } = values;
  const chosen = models.filter((model) => (name === undefined ? !model.isSized : model.name === name));
  if (chosen.length === 0) {
    throw new RangeError(`--model ${name}: one of ${models.map((model) => model.name).join(', ')} is needed`);
  }
  for (const { name, isSized } of chosen) {
    if (!isSized && (size ?? width) !== undefined) {
      throw new RangeError(`--image-size and --width are not for ${name}, whose pictures have one size`);
    }
  }
  return chosen;
}

/** What a training of `model` is built from. Throws RangeError for sizes that the model does not take. */
export async function trainingOf({ name, program: own, batch: usual }: Model, values: ModelValues) {
  const program = own ?? (await loadBuiltin(name as BuiltinName));
  const { 'image-size': size, width } = values;
  const given = {
    ...(size !== undefined && { imageSize: wholeNumber('image-size', size, 1, 1 << 16) }),
    ...(width !== undefined && { width: Number(width) }),
  };
  const batchSize = values.batch === undefined ? usual : wholeNumber('batch', values.batch, 1, 4096);
  try {
    return { program, parameters: parseParameters(program, given), batchSize, seed };
  } catch (error) {
    throw new RangeError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** The same for a worker, which loads its program itself. */
export function sourceOf({ name, module }: Model): ProgramSource {
  return module === undefined ? { builtin: name as BuiltinName } : { module };
}

const seed = 42;

/**
 * Bytes of a step above which one is not tried on the WASM engine: its memory ends at 4 GiB, part of which goes to
 * copies of weights that its library makes and to gaps between buffers.
 */
export const mostWasmBytes = 3 * 2 ** 30;
