import { createHash } from 'node:crypto';
import { digestState } from './checkpoint/digest.ts';
import { disk } from './checkpoint/directory.ts';
import { encodeCheckpoint } from './checkpoint/format.ts';
import { checkState, maxBytes, readNewest, type Wanted } from './checkpoint/read.ts';
import type { TrainingState } from './checkpoint/state.ts';
import type { SharedExchange } from './communication/exchange.ts';
import type { Lanes } from './communication/lanes.ts';
import { planExchange } from './communication/schedule/plan.ts';
import type { ExchangePlan } from './communication/schedule/types.ts';
import type { Built } from './compute/messages.ts';
import type { Context } from './context.ts';
import { WorkerError } from './ending.ts';
import type { Group } from './group.ts';

/** What all ranks have agreed on: train from `state` over `exchange`. */
export interface Agreed {
  built: Built;
  plan: ExchangePlan;
  exchange: SharedExchange;
  state: TrainingState;
}

/** From the first hello to the common start: links, constants, plan and state, each agreed by all ranks. */
export async function rendezvous(
  context: Context,
  group: Group,
  lanes: Lanes,
  building: Promise<Built>,
): Promise<Agreed> {
  const { config, log } = context;
  const { member, coordinator } = group;
  const lanePorts = await member.join();
  const hosts = await group.hosts();
  await lanes.connect(hosts.map((host, rank) => ({ host, lanePorts: [...(lanePorts[rank] ?? [])] })));

  const built = await building;
  const constants = await member.agree(await lanes.calibrate());
  const { order, algorithm } = config.communication;
  const plan = planExchange({ buckets: built.buckets, worldSize: config.worldSize, constants, order, algorithm });
  const exchange = await lanes.open(plan);

  const wanted = { jobUid: config.job.uid, initial: built.initial, steps: config.training.steps };
  const own = await ownState(context, wanted);
  const digests = await digestState(own);
  coordinator?.offerState(encodeCheckpoint(config.job.uid, own, digests.tensors));
  const start = await member.ready({
    plan: [
      { name: 'the training settings', digest: sha256(config.training) },
      { name: 'the graph and its memory plan', digest: built.planHash },
      { name: 'the exchange plan', digest: sha256(plan) },
    ],
    step: own.step,
    stateDigest: digests.state,
  });
  if (!start.fetching.includes(config.rank)) return { built, plan, exchange, state: own };

  log.info(`takes rank 0's state of step ${start.step}: its own differs`);
  const bytes = await member.fetchState(maxBytes(built.initial));
  return { built, plan, exchange, state: await checked(bytes, wanted, start.stateDigest, config.rank) };
}

function sha256(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** The newest valid checkpoint, else the state that the seed gives. */
async function ownState({ config, log }: Context, wanted: Wanted): Promise<TrainingState> {
  const { state, skipped } = await readNewest(config.checkpoint.directory, wanted, disk);
  for (const { file, reason } of skipped) log.warn(`checkpoint ${file} is not used: ${reason}`);
  if (state !== undefined) log.info(`resumes from the checkpoint of step ${state.step}`);
  return state ?? wanted.initial;
}

async function checked(bytes: Uint8Array, wanted: Wanted, digest: string, rank: number): Promise<TrainingState> {
  const read = await checkState(bytes, wanted);
  const problem = read.ok ? 'its digest is not the one that was agreed' : read.reason;
  if (read.ok && (await digestState(read.value)).state === digest) return read.value;
  const message = `rank ${rank} could not use rank 0's state: ${problem}`;
  throw new WorkerError({ class: 'peerLost', reason: 'StateCorrupt', message, blamedRank: 0 });
}
