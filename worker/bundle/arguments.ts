import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Release } from '../engine/native/release.ts';

/** What is to be packed. */
export interface BundleRequest {
  device: Release['device'];
  /** GPU architectures whose programs stay, 90 for sm_90; none: all stay. */
  architectures: readonly number[];
  /** CUDA's libraries go along, or are the host's. */
  cuda: 'include' | 'host';
  /** Most bytes of one file; undefined: one file. */
  pieceBytes: number | undefined;
  /** Folder of the result. */
  out: string;
}

export const usage = `usage: npm run bundle -- cpu | gpu [options]
  --arch sm_90[,sm_80]    of a GPU bundle: keep programs for these GPUs alone (default: for all)
  --cuda include|host     of a GPU bundle: pack CUDA's libraries, or use the host's (default: include)
  --pieces 57MiB          split the archive into files of at most this size
  --out DIR               where it goes (default: .hayate/bundle-cpu, .hayate/bundle-gpu)`;

const units: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const leastPieceBytes = 2 ** 20;

/** Throws RangeError, or an ERR_PARSE_ARGS error of Node, for what makes no sense. */
export function parseRequest(argv: readonly string[], workingDirectory: string): BundleRequest {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      arch: { type: 'string' },
      cuda: { type: 'string' },
      pieces: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const [device, ...more] = positionals;
  if ((device !== 'cpu' && device !== 'gpu') || more.length > 0) throw new RangeError(usage);
  if (device === 'cpu' && (values.arch ?? values.cuda) !== undefined) {
    throw new RangeError('--arch and --cuda are for a GPU bundle');
  }
  return {
    device,
    architectures: values.arch === undefined ? [] : values.arch.split(',').map(architectureOf),
    cuda: cudaChoice(values.cuda ?? 'include'),
    pieceBytes: values.pieces === undefined ? undefined : pieceSize(values.pieces),
    out: path.resolve(workingDirectory, values.out ?? path.join('.hayate', `bundle-${device}`)),
  };
}

function architectureOf(name: string): number {
  const number = /^sm_(\d{2,3})$/.exec(name.trim())?.[1];
  if (number === undefined) throw new RangeError(`--arch ${name}: names like sm_90 are needed`);
  return Number(number);
}

function cudaChoice(text: string): BundleRequest['cuda'] {
  if (text === 'include' || text === 'host') return text;
  throw new RangeError(`--cuda ${text}: include or host is needed`);
}

function pieceSize(text: string): number {
  const [, number, unit = ''] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? [];
  const bytes = Number(number) * (units[unit] as number);
  if (bytes >= leastPieceBytes) return bytes;
  throw new RangeError(`--pieces ${text}: a size from 1MiB up, like 57MiB, is needed`);
}
