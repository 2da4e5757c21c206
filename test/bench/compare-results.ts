import { z } from 'zod';
import { median } from './document.ts';

const bytes = z.number().nonnegative().nullish();

/** What is read of one result of a training benchmark, ours or PyTorch's. */
const trainResult = z.object({
  model: z.string(),
  batch: z.number(),
  /** Pixels of height and width; null where a model knows one size only. */
  imageSize: z.number().nullish(),
  engine: z.enum(['wasm', 'native', 'stock', 'stock-node', 'pytorch']),
  device: z.enum(['cpu', 'gpu']),
  precision: z.enum(['float32', 'tf32']),
  layout: z.string().nullish(),
  /** PyTorch: how its optimizer runs, `default` or `fused`. */
  variant: z.string().nullish(),
  /** PyTorch: `exact` where the padding's asymmetry was paid for. */
  padding: z.string().nullish(),
  residentBatch: z.boolean(),
  /** Ours: gradients went through the exchange's memory. */
  handOver: z.boolean().nullish(),
  windowSeconds: z.number().positive(),
  predictedPeakBytes: bytes,
  measuredPeakBytes: bytes,
  allocatorPeakBytes: bytes,
});

/** A document of `bench train` or of pytorch/train.py. */
export const trainDocument = z.object({
  bench: z.literal('train'),
  machine: z.object({ cpu: z.string(), gpu: z.string().optional() }),
  results: z.array(trainResult),
});
export type TrainDocument = z.infer<typeof trainDocument>;
type TrainResult = z.infer<typeof trainResult>;

/** Repeated runs of one thing in one way. */
export interface Run {
  /** Data layout, where it is known. */
  layout: string | undefined;
  /** Median over the runs. */
  seconds: number;
  predictedBytes: number | undefined;
  /** The allocator's peak, or the engine's own count where there is no allocator to ask; the highest of the runs. */
  peakBytes: number | undefined;
}

/** All sides of one model at one batch, picture size, device and precision; of each side its fastest run. */
export interface Comparison {
  model: string;
  batch: number;
  imageSize: number | undefined;
  device: TrainResult['device'];
  precision: TrainResult['precision'];
  ours: Run | undefined;
  /** With all gradients going to the exchange's memory and back. */
  handingOver: Run | undefined;
  stock: Run | undefined;
  pytorch: Run | undefined;
  /** With the optimizer's update as one kernel, which users of PyTorch have to ask for. */
  pytorchFused: Run | undefined;
  /** The least that PyTorch held in any of its runs. */
  pytorchPeakBytes: number | undefined;
  /** What makes the sides not quite comparable, in sentences. */
  notes: string[];
}

type Side = 'ours' | 'handingOver' | 'stock' | 'pytorch' | 'pytorchFused';

/** Puts results of the same model, batch, picture size, device and precision side by side, in the order in which they first come. */
export function compareResults(documents: readonly TrainDocument[]): Comparison[] {
  const all = documents.flatMap(({ machine, results }) =>
    results.map((result) => ({ ...result, machine: result.device === 'gpu' ? machine.gpu : machine.cpu })),
  );
  const groups = Map.groupBy(all, ({ model, batch, imageSize, device, precision }) =>
    [model, batch, imageSize, device, precision].join(),
  );
  return [...groups.values()].map((group) => {
    const { model, batch, imageSize, device, precision } = group[0] as TrainResult;
    const fastest = (side: Side) => runsOf(group.filter((result) => sideOf(result) === side))[0];
    return {
      model,
      batch,
      imageSize: imageSize ?? undefined,
      device,
      precision,
      ours: fastest('ours'),
      handingOver: fastest('handingOver'),
      stock: fastest('stock'),
      pytorch: fastest('pytorch'),
      pytorchFused: fastest('pytorchFused'),
      pytorchPeakBytes: least(group.filter(({ engine }) => engine === 'pytorch').map(peakOf)),
      notes: notesOn(group),
    };
  });
}

function sideOf({ engine, variant, handOver }: TrainResult): Side {
  switch (engine) {
    case 'wasm':
    case 'native':
      return handOver === true ? 'handingOver' : 'ours';
    case 'stock':
    case 'stock-node':
      return 'stock';
    case 'pytorch':
      return variant === 'fused' ? 'pytorchFused' : 'pytorch';
    default:
      throw new TypeError(`unknown engine ${String(engine satisfies never)}`);
  }
}

/** One run for each engine, layout and padding, the fastest first. */
function runsOf(results: readonly TrainResult[]): Run[] {
  const repeated = Map.groupBy(results, ({ engine, layout, padding }) => [engine, layout, padding].join());
  const runs = [...repeated.values()].map((same): Run => {
    const peaks = same.map(peakOf).filter((peak) => peak !== undefined);
    return {
      layout: same[0]?.layout ?? undefined,
      seconds: median(same.map(({ windowSeconds }) => windowSeconds)),
      predictedBytes: same[0]?.predictedPeakBytes ?? undefined,
      peakBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
    };
  });
  return runs.sort((a, b) => a.seconds - b.seconds);
}

function peakOf({ allocatorPeakBytes, measuredPeakBytes }: TrainResult): number | undefined {
  return allocatorPeakBytes ?? measuredPeakBytes ?? undefined;
}

function least(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((number) => number !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function notesOn(group: readonly (TrainResult & { machine: string | undefined })[]): string[] {
  const notes: string[] = [];
  const machines = [...new Set(group.map(({ machine }) => machine?.split(',')[0] ?? 'an unnamed device'))];
  if (machines.length > 1) notes.push(`measured on different devices: ${machines.join('; ')}`);
  const fresh = new Set(group.filter(({ residentBatch }) => !residentBatch).map(({ engine }) => engine));
  if (fresh.size > 0 && group.some(({ residentBatch }) => residentBatch)) {
    notes.push(`${[...fresh].join(' and ')} took a new batch every step, the others one that was there already`);
  }
  return notes;
}
