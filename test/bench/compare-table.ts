import type { Comparison, Run } from './compare-results.ts';

export interface Table {
  title: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

const none = '-';

/** Height and width that are not mentioned. */
const usualSize = 224;

/** Step times in milliseconds, and how they compare. */
export function timeTable(comparisons: readonly Comparison[]): Table {
  const head = ['ours', 'PyTorch', 'ours / PyTorch', 'PyTorch fused', 'ours / fused'];
  const more = ['stock', 'stock / ours', 'handing over', 'over / ours'];
  return {
    title: 'Step, ms (fastest layout of each side)',
    head: [...named.head, ...head, ...more],
    rows: comparisons.map((comparison) => {
      const { ours, handingOver, pytorch, pytorchFused, stock } = comparison;
      return [
        ...named.row(comparison),
        milliseconds(ours),
        milliseconds(pytorch),
        ratio(ours?.seconds, pytorch?.seconds),
        milliseconds(pytorchFused),
        ratio(ours?.seconds, pytorchFused?.seconds),
        milliseconds(stock),
        ratio(stock?.seconds, ours?.seconds),
        milliseconds(handingOver),
        ratio(handingOver?.seconds, ours?.seconds),
      ];
    }),
  };
}

/** Peaks of device memory in MiB, against the plan's prediction and against the others. */
export function memoryTable(comparisons: readonly Comparison[]): Table {
  const head = ['plan', 'ours', 'ours / plan', 'PyTorch', 'ours / PyTorch', 'stock', 'stock / ours'];
  return {
    title: 'Peak, MiB (ours and stock: of the run above; PyTorch: the least of its runs)',
    head: [...named.head, ...head],
    rows: comparisons.map((comparison) => {
      const { ours, pytorchPeakBytes, stock } = comparison;
      return [
        ...named.row(comparison),
        mebibytes(ours?.predictedBytes),
        mebibytes(ours?.peakBytes),
        ratio(ours?.peakBytes, ours?.predictedBytes),
        mebibytes(pytorchPeakBytes),
        ratio(ours?.peakBytes, pytorchPeakBytes),
        mebibytes(stock?.peakBytes),
        ratio(stock?.peakBytes, ours?.peakBytes),
      ];
    }),
  };
}

/** Notes on all comparisons, each with what it is about. */
export function notesOf(comparisons: readonly Comparison[]): string[] {
  return comparisons.flatMap((comparison) =>
    comparison.notes.map((note) => `${named.row(comparison).join(' ')}: ${note}`),
  );
}

/** Aligned columns for a terminal. */
export function textOf({ title, head, rows }: Table): string {
  const widths = widthsOf([head, ...rows]);
  const lines = [head, ...rows].map((cells) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number))),
  );
  return [title, ...lines.map((cells) => cells.join('  ').trimEnd())].join('\n');
}

/** The same as Markdown. */
export function markdownOf({ title, head, rows }: Table): string {
  const widths = widthsOf([head, ...rows]);
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] as number)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [`${title}:`, '', line(head), line(rule), ...rows.map(line)].join('\n');
}

function widthsOf(lines: readonly (readonly string[])[]): number[] {
  const [head] = lines as [readonly string[]];
  return head.map((_, at) => Math.max(3, ...lines.map((cells) => cells[at]?.length ?? 0)));
}

const named = {
  head: ['model', 'batch', 'precision'],
  row: ({ model, batch, imageSize = usualSize, precision, device }: Comparison) => [
    imageSize === usualSize ? model : `${model} ${imageSize} px`,
    String(batch),
    device === 'cpu' ? `${precision}, CPU` : precision,
  ],
};

function milliseconds(run: Run | undefined): string {
  if (run === undefined) return none;
  const time = digits(1000 * run.seconds);
  return run.layout === undefined ? time : `${time} ${run.layout}`;
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? none : (bytes / 2 ** 20).toFixed(1);
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a === undefined || b === undefined ? none : digits(a / b);
}

/** Three digits, or all before the point. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
