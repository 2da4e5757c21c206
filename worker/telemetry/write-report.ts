import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FinalReport } from '@hayate/crds/worker-config.ts';
import { storageError } from '../checkpoint/directory.ts';

/** Writes `reports/<rank>.json` under `directory`, whole or not at all. Throws StorageError. */
export async function writeReport(directory: string, report: FinalReport): Promise<string> {
  const folder = path.join(directory, 'reports');
  const file = path.join(folder, `${report.rank}.json`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(`${file}.new`, `${JSON.stringify(report, null, 2)}\n`);
    await rename(`${file}.new`, file);
  } catch (cause) {
    throw storageError(folder, `write the report of rank ${report.rank}`, cause);
  }
  return file;
}
