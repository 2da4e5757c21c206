/** `npm run bench -- compare --results FOLDER`: puts what the training benchmarks printed side by side. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { compareResults, type TrainDocument, trainDocument } from './compare-results.ts';
import { markdownOf, memoryTable, notesOf, textOf, timeTable } from './compare-table.ts';
import { wholeNumber } from './document.ts';

/** Runs the command with its arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      results: { type: 'string' },
      model: { type: 'string' },
      batch: { type: 'string' },
      precision: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  });
  const { results: folder, model, precision } = values;
  if (folder === undefined) throw new RangeError('--results: the folder with the documents (*.json) is needed');
  const batch = values.batch === undefined ? undefined : wholeNumber('batch', values.batch, 1, 4096);
  const comparisons = compareResults(await documentsIn(folder)).filter(
    (comparison) =>
      (model ?? comparison.model) === comparison.model &&
      (batch ?? comparison.batch) === comparison.batch &&
      (precision ?? comparison.precision) === comparison.precision,
  );
  if (comparisons.length === 0) throw new RangeError(`--results ${folder}: no result is as asked for`);
  const print = values.markdown ? markdownOf : textOf;
  console.log([timeTable, memoryTable].map((table) => print(table(comparisons))).join('\n\n'));
  for (const note of notesOf(comparisons)) console.log(`\nNote: ${note}.`);
}

/** The document of each file is its last line. Throws RangeError that names every file that has none. */
async function documentsIn(folder: string): Promise<TrainDocument[]> {
  const documents: TrainDocument[] = [];
  const problems: string[] = [];
  for (const name of await namesIn(folder)) {
    const parsed = parseDocument((await readFile(path.join(folder, name), 'utf8')).trim().split('\n').at(-1) ?? '');
    if (typeof parsed === 'string') problems.push(`${name}: ${parsed}`);
    else if (parsed !== undefined) documents.push(parsed);
  }
  if (problems.length > 0) throw new RangeError(problems.join('\n'));
  return documents;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  } catch (error) {
    throw new RangeError(`--results ${folder}: ${(error as Error).message}`, { cause: error });
  }
}

/** A document; undefined for one of another benchmark; or what is wrong. */
function parseDocument(line: string): TrainDocument | string | undefined {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    return 'its last line is no JSON document; the run that wrote it has failed';
  }
  const { success, data, error } = trainDocument.safeParse(given);
  if (success) return data;
  const other = z.object({ bench: z.string() }).safeParse(given);
  return other.success && other.data.bench !== 'train' ? undefined : z.prettifyError(error).replaceAll('\n', ' ');
}
