import { type BenchDocument } from './document.ts';
import { machineWith } from './gpu-machine.ts';
import { type Model, sourceOf } from './models.ts';
import type { Asked } from './train-measure.ts';
import { trainWorld, type WorldAsked } from './train-world.ts';
import { summaryOfWorld } from './train-world-summary.ts';

type Summary = ReturnType<typeof summaryOfWorld>;

/** Trains in several ranks and prints what that took; the process ends with 1 where the ranks' weights differ. */
export async function runWorld(
  model: Model,
  asked: Asked,
  { world, lanes, json }: { world: number; lanes: number; json: boolean },
): Promise<void> {
  const { engine } = asked;
  if (engine === 'stock' || engine === 'stock-node') {
    throw new RangeError(`--engine ${engine} has no exchange between ranks; leave --world out`);
  }
  if (asked.isProfiling) throw new RangeError('--profile looks at one process; leave --world out');
  const request: WorldAsked = { ...asked, engine, source: sourceOf(model), world, lanes };
  const summary = summaryOfWorld(await trainWorld(request, process.env), request);
  if (json) console.log(JSON.stringify(await documentOf(model, request, summary)));
  else printSummary(model, request, summary);
  if (summary.identical) return;
  console.error('the ranks ended with different weights: the exchange or an engine is wrong');
  process.exitCode = 1;
}

async function documentOf({ name: model }: Model, asked: WorldAsked, summary: Summary): Promise<BenchDocument<object>> {
  const { batchSize: batch, world, lanes, engine, device, precision, isBatchResident: residentBatch } = asked;
  const { parameters, seed, warmUpSteps, steps } = asked;
  const settings = { model, batch, world, lanes, engine, device, precision, residentBatch };
  return {
    bench: 'train-world',
    settings: { ...settings, parameters, seed, warmUpSteps },
    machine: await machineWith(device),
    repeats: steps,
    results: [{ ...settings, ...summary }],
  };
}

function printSummary({ name }: Model, asked: WorldAsked, summary: Summary): void {
  const { batchSize, world, lanes, engine, device, precision, steps } = asked;
  const mib = (bytes: number | null) => (bytes === null ? 'not' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  const ms = (seconds: number) => `${(1000 * seconds).toPrecision(4)} ms`;
  console.log(`
${name}, batch ${batchSize} a rank, ${world} ranks with ${lanes} lane(s) each, engine ${engine} on the ${device} in ${precision}, median of ${steps} steps, slowest rank
  step     ${ms(summary.stepSeconds)}, of which ${ms(summary.exposedCommunicationSeconds)} waiting for sums; ${ms(summary.windowSeconds)} a step over all
  samples  ${summary.samplesPerSecond.toPrecision(4)} a second
  sums     ${(summary.exchangedBytes / 2 ** 20).toFixed(2)} MiB a step
  memory   ${mib(summary.predictedPeakBytes)} predicted, ${mib(summary.measuredPeakBytes)} measured`);
  for (const { rank, stepSeconds, exposedSeconds, allocatorPeakBytes, weightsDigest } of summary.ranks) {
    const times = `${ms(stepSeconds)}, ${ms(exposedSeconds)} waiting`;
    console.log(`  rank ${rank}   ${times}, ${mib(allocatorPeakBytes)} by the allocator, weights ${weightsDigest}`);
  }
  console.log(`  weights  ${summary.identical ? `identical on all ${world} ranks` : 'DIFFER between ranks'}`);
}
