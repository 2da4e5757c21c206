import { cpus, totalmem } from 'node:os';

/** What every benchmark prints with --json, as the last line of stdout. */
export interface BenchDocument<Result> {
  bench: string;
  settings: Readonly<Record<string, unknown>>;
  machine: Machine;
  repeats: number;
  results: readonly Result[];
}

export interface Machine {
  cores: number;
  cpu: string;
  memoryBytes: number;
  node: string;
  /** Its GPU and that one's driver, where they compute. */
  gpu?: string;
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  const all = cpus();
  return {
    cores: all.length,
    cpu: all[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
  };
}

/** The middle of the numbers; the mean of the two middle ones where their count is even. Throws for no numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const high = sorted[sorted.length >> 1];
  const low = sorted[(sorted.length - 1) >> 1];
  if (high === undefined || low === undefined) throw new RangeError('median of nothing');
  return (low + high) / 2;
}

/** A command-line option that must be a whole number. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`--${option} ${text}: a whole number from ${least} to ${most} is needed`);
}
