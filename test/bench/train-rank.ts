/** One rank of a training in a process of its own: a worker's lanes and compute thread, without the membership of a group. */
import { digestState } from '../../worker/checkpoint/digest.ts';
import type { Lanes } from '../../worker/communication/lanes.ts';
import type { Built, StepDone } from '../../worker/compute/messages.ts';
import { ComputeLink } from '../../worker/compute-link.ts';
import { FirstFailure } from '../../worker/failure.ts';
import { runRank } from './rank-main.ts';
import type { FromRank, RankOrder, TrainedRank } from './rank-messages.ts';

type Order<K extends RankOrder['kind']> = Extract<RankOrder, { kind: K }>;

const failure = new FirstFailure();
const done: { step: StepDone; endedMs: number }[] = [];
let compute: ComputeLink | undefined;
let built: Built | undefined;

await runRank(async (order, lanes) => {
  switch (order.kind) {
    case 'build':
      return failure.or(build(order));
    case 'train':
      return failure.or(train(order, lanes));
    case 'steps':
    case 'time':
    case 'stats':
    default:
      throw new Error(`a rank of a training does not ${order.kind}`);
  }
});

async function build({ config, engine, settings, isBatchResident }: Order<'build'>): Promise<FromRank> {
  const entry = isBatchResident
    ? new URL('./train-rank-resident.ts', import.meta.url)
    : new URL('./train-rank-thread.ts', import.meta.url);
  compute = new ComputeLink(entry, {
    onStep: (step) => {
      done.push({ step, endedMs: performance.now() });
      if (step.warning !== undefined) console.error(step.warning);
    },
    onSnapshot: () => {},
    onFailure: failure.fail,
  });
  built = await compute.build(config, engine, settings);
  const { buckets, planHash, predictedPeakBytes } = built;
  return { kind: 'built', buckets, planHash, predictedPeakBytes };
}

async function train({ plan }: Order<'train'>, lanes: Lanes): Promise<FromRank> {
  if (compute === undefined || built === undefined) throw new Error('train comes after build');
  lanes.onFailure(failure.fail);
  const { state, loss, measuredPeakBytes } = await compute.train(built.initial, await lanes.open(plan));
  await compute.close();
  const result: TrainedRank = {
    seconds: done.map(({ step }) => step.seconds),
    exposedSeconds: done.map(({ step }) => step.exposedSeconds),
    endedMs: done.map(({ endedMs }) => endedMs),
    loss,
    weightsDigest: (await digestState(state)).weights,
    measuredPeakBytes,
    allocatorPeakBytes: done.at(-1)?.step.deviceMemory?.peak ?? null,
    processPeakBytes: 1024 * process.resourceUsage().maxRSS,
  };
  return { kind: 'trained', result };
}
