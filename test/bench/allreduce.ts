/** `npm run bench -- allreduce`: seconds of one exchange by size and algorithm, over real processes on this machine. */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { mergeConstants } from '../../worker/communication/calibrate.ts';
import type { AlgorithmSetting } from '../../worker/communication/schedule/choose.ts';
import { planExchange } from '../../worker/communication/schedule/plan.ts';
import type { Collective, ExchangePlan, LinkConstants } from '../../worker/communication/schedule/types.ts';
import { type BenchDocument, median, thisMachine } from './document.ts';
import { type RankProcess, startRanks } from './ranks.ts';
import { referenceSum } from './reference.ts';

interface Settings {
  world: number;
  bytes: number[];
  repeats: number;
  lanes: number;
  json: boolean;
}

interface Result {
  world: number;
  bytes: number;
  transport: 'grpc';
  lanes: number;
  collective: Collective | 'auto';
  /** What `auto` took. */
  chosen?: Collective;
  /** Median over the repeats of the slowest rank. */
  seconds: number;
  /** Bytes that the link of a rank must carry at least, 2(P−1)/P of the bucket, by seconds. */
  busBytesPerSecond: number;
  /** CPU seconds of one rank for a GB of bucket. */
  cpuSecondsPerGigabyte: number;
}

const algorithms: Record<AlgorithmSetting, Result['collective']> = {
  GatherSum: 'gather-sum',
  SplitSum: 'split-sum',
  Auto: 'auto',
};

/** Runs the benchmark with command-line arguments (without the name) and prints the table, or one JSON document with --json. */
export async function run(argv: string[]): Promise<void> {
  const settings = parse(argv);
  const ranks = await startRanks({ world: settings.world, lanes: settings.lanes });
  try {
    const measured = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'calibrate' }, 'constants')));
    const constants = mergeConstants(measured.map((answer) => answer.constants));
    await warmUp(ranks, settings, constants);
    const results: Result[] = [];
    for (const bytes of settings.bytes) {
      const sum = referenceSum(settings.world, 0, timed, bytes / 4);
      const wanted = createHash('sha256').update(sum).digest('hex');
      for (const algorithm of ['GatherSum', 'SplitSum', 'Auto'] as const)
        results.push(await measure(ranks, settings, planOf(settings, bytes, algorithm, constants), algorithm, wanted));
    }
    print(settings, constants, results);
    await Promise.all(ranks.map((rank) => rank.ask({ kind: 'close' }, 'closed')));
  } finally {
    await Promise.all(ranks.map((rank) => rank.end()));
  }
}

function parse(argv: string[]): Settings {
  const { values } = parseArgs({
    args: argv,
    options: {
      world: { type: 'string', default: '4' },
      bytes: { type: 'string', default: '4096,65536,1048576,16777216' },
      repeats: { type: 'string', default: '10' },
      lanes: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const problems: string[] = [];
  const whole = (name: string, text: string, least: number, most: number): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most)
      problems.push(`--${name} ${text}: a whole number from ${least} to ${most} is needed`);
    return value;
  };
  const settings = {
    world: whole('world', values.world, 1, 64),
    bytes: values.bytes.split(',').map((text) => whole('bytes', text, 4, 256 << 20)),
    repeats: whole('repeats', values.repeats, 1, 10_000),
    lanes: whole('lanes', values.lanes, 1, 16),
    json: values.json,
  };
  for (const bytes of settings.bytes) if (bytes % 4 !== 0) problems.push(`--bytes ${bytes}: a multiple of 4 is needed`);
  if (problems.length > 0) throw new RangeError(problems.join('\n'));
  return settings;
}

/** Index of the barrier's bucket is 0. */
const timed = 1;

function planOf(
  settings: Settings,
  bytes: number,
  algorithm: AlgorithmSetting,
  constants: LinkConstants,
): ExchangePlan {
  const bucket = (id: number, elements: number) => ({
    id,
    layer: id,
    priority: 0 - id,
    elements,
    parts: [{ variable: id, first: 0, offset: 0, length: elements }],
  });
  const inputs = { worldSize: settings.world, constants, order: 'Priority', algorithm } as const;
  const plan = planExchange({ ...inputs, buckets: [bucket(0, 16), bucket(timed, bytes / 4)] });
  return { ...plan, buckets: plan.buckets.map((b) => (b.id === timed ? b : { ...b, collective: 'gather-sum' })) };
}

/** Lets the engine compile what the exchange runs through, as a training does in its first steps. */
async function warmUp(ranks: readonly RankProcess[], settings: Settings, constants: LinkConstants): Promise<void> {
  for (const algorithm of ['GatherSum', 'SplitSum'] as const) {
    const plan = planOf(settings, 256 << 10, algorithm, constants);
    await Promise.all(ranks.map((rank) => rank.ask({ kind: 'time', plan, repeats: 50 }, 'timed')));
  }
}

async function measure(
  ranks: readonly RankProcess[],
  { world, lanes, repeats }: Settings,
  plan: ExchangePlan,
  algorithm: AlgorithmSetting,
  wanted: string,
): Promise<Result> {
  const answers = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'time', plan, repeats }, 'timed')));
  for (const [rank, { digest }] of answers.entries())
    if (digest !== wanted) throw new Error(`rank ${rank} got a wrong sum with ${algorithm}`);
  const { elements, collective } = plan.buckets[timed]!;
  const bytes = 4 * elements;
  const slowest = Array.from({ length: repeats }, (_, i) => Math.max(...answers.map((a) => a.seconds[i]!)));
  const seconds = median(slowest);
  const cpuSeconds = answers.reduce((sum, a) => sum + a.cpuSeconds, 0) / world;
  return {
    world,
    bytes,
    transport: 'grpc',
    lanes,
    collective: algorithms[algorithm],
    ...(algorithm === 'Auto' && { chosen: collective }),
    seconds,
    busBytesPerSecond: (2 * (world - 1) * bytes) / world / seconds,
    cpuSecondsPerGigabyte: cpuSeconds / ((repeats * bytes) / 1e9),
  };
}

function print({ json, ...settings }: Settings, constants: LinkConstants, results: readonly Result[]): void {
  const machine = thisMachine();
  if (json) {
    const document: BenchDocument<Result> = {
      bench: 'allreduce',
      settings: { ...settings, constants },
      machine,
      repeats: settings.repeats,
      results,
    };
    console.log(JSON.stringify(document));
    return;
  }
  console.log(`${settings.world} ranks, ${settings.lanes} lane(s) each, on ${machine.cores} cores of ${machine.cpu}`);
  console.log(`medians of ${settings.repeats}, slowest rank\n`);
  const row = (...cells: string[]) =>
    console.log(cells.map((cell, i) => (i === 1 ? cell.padEnd(20) : cell.padStart(12))).join('  '));
  row('bytes', 'collective', 'ms', 'bus GB/s', 'CPU s/GB');
  for (const { bytes, collective, chosen, seconds, busBytesPerSecond, cpuSecondsPerGigabyte } of results)
    row(
      String(bytes),
      chosen === undefined ? collective : `auto (${chosen})`,
      (seconds * 1e3).toFixed(3),
      (busBytesPerSecond / 1e9).toFixed(3),
      cpuSecondsPerGigabyte.toFixed(2),
    );
}
