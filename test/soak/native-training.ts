/** Trains mnist in this process on the native engine, alone: `node test/soak/native-training.ts STEPS`. */
import { buildTraining } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { loadBuiltin } from '../../worker/program/load.ts';
import { parseParameters } from '../../worker/program/parameters.ts';

const engine = await openEngine('native');
const program = await loadBuiltin('mnist');
const parameters = parseParameters(program, {});
const training = await buildTraining({ program, parameters, batchSize: 32, seed: 1, recycling: true, engine });
const losses: number[] = [];
await runTraining({
  training,
  exchange: loopback(training.buckets),
  state: training.initial,
  rank: 0,
  worldSize: 1,
  steps: Number(process.argv[2]),
  checkpointEverySteps: 50,
  clock: () => performance.now(),
  post: (message) => {
    if (message.kind === 'step' && message.loss !== undefined) losses.push(message.loss);
  },
  stopAfter: () => undefined,
});
engine.dispose();
const [first, last] = [losses.at(0) ?? 0, losses.at(-1) ?? Infinity];
console.log(`loss ${first.toFixed(3)} → ${last.toFixed(3)} in ${losses.length} steps`);
if (!(last < first / 2)) process.exitCode = 1;
