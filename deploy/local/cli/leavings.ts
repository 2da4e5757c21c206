import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FinalReport, finalReport } from '@hayate/crds/worker-config.ts';
import { logText } from '../kubelet/logs.ts';
import { runDirectory } from '../kubelet/pod-process.ts';

/** Final reports that the ranks of a job wrote into its working directory, in order of rank. */
export function readReports(directory: string, namespace: string, name: string): FinalReport[] {
  const path = join(runDirectory(directory).work, namespace, name, 'reports');
  const reports: FinalReport[] = [];
  for (const file of filesOf(path)) {
    const report = file.endsWith('.json') ? finalReport.safeParse(jsonOf(join(path, file))) : undefined;
    if (report?.success) reports.push(report.data);
  }
  return reports.sort((a, b) => a.rank - b.rank);
}

/** The last lines of a pod's log and where the rest is. */
export function endOfLog(
  directory: string,
  namespace: string,
  pod: string,
  lines: number,
): { path: string; lines: string[] } | undefined {
  const { logs } = runDirectory(directory);
  const file = filesOf(logs).find((name) => name.startsWith(`${namespace}_${pod}_`));
  if (file === undefined) return undefined;
  const path = join(logs, file);
  const all = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return { path, lines: all.slice(-lines).map(logText) };
}

function filesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
