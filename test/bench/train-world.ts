/** `npm run bench -- train --world N`: seconds of a training step of N ranks, each a process, over a worker's own exchange. */
import { availableParallelism } from 'node:os';
import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import { mergeConstants } from '../../worker/communication/calibrate.ts';
import { planExchange } from '../../worker/communication/schedule/plan.ts';
import type { ExchangePlan } from '../../worker/communication/schedule/types.ts';
import type { EngineSettings } from '../../worker/engine/engine.ts';
import type { ProgramSource } from '../../worker/program/load.ts';
import type { TrainedRank } from './rank-messages.ts';
import { RankError, type RankProcess, startRanks } from './ranks.ts';

export interface WorldAsked extends EngineSettings {
  source: ProgramSource;
  parameters: unknown;
  /** Of one rank. */
  batchSize: number;
  seed: number;
  world: number;
  lanes: number;
  engine: 'wasm' | 'native';
  steps: number;
  warmUpSteps: number;
  isBatchResident: boolean;
}

export interface WorldMeasured {
  predictedPeakBytes: number;
  plan: ExchangePlan;
  ranks: readonly TrainedRank[];
}

const timeoutSeconds = 120;

/** Trains as asked, every rank in a process of its own. Throws RangeError where a rank has no engine or no GPU. */
export async function trainWorld(asked: WorldAsked, env: NodeJS.ProcessEnv): Promise<WorldMeasured> {
  const { world, lanes } = asked;
  const script = new URL('./train-rank.ts', import.meta.url);
  const envOf = (rank: number) => rankEnvironment(asked, rank, env, availableParallelism());
  const ranks = await startRanks({ world, lanes, timeoutMs: 1000 * timeoutSeconds, script, envOf });
  try {
    return await trainOn(ranks, asked);
  } catch (error) {
    if (!(error instanceof RankError) || error.code !== 'EngineMissing') throw error;
    const each = asked.device === 'gpu' ? '; --world takes one GPU a rank' : '';
    throw new RangeError(`--engine ${asked.engine}: ${error.message}${each}`, { cause: error });
  } finally {
    await Promise.all(ranks.map((rank) => rank.end()));
  }
}

async function trainOn(ranks: readonly RankProcess[], asked: WorldAsked): Promise<WorldMeasured> {
  const { engine, device, precision, isBatchResident, world: worldSize } = asked;
  const settings = { device, precision };
  const built = await Promise.all(
    ranks.map((rank, r) =>
      rank.ask({ kind: 'build', config: configOf(asked, r), engine, settings, isBatchResident }, 'built'),
    ),
  );
  const [first] = built;
  if (first === undefined || built.some(({ planHash }) => planHash !== first.planHash)) {
    throw new Error('the ranks have planned different steps');
  }
  const measured = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'calibrate' }, 'constants')));
  const constants = mergeConstants(measured.map((answer) => answer.constants));
  const { order, algorithm } = communication;
  const plan = planExchange({ buckets: first.buckets, worldSize, constants, order, algorithm });
  const trained = await Promise.all(ranks.map((rank) => rank.ask({ kind: 'train', plan }, 'trained')));
  await Promise.all(ranks.map((rank) => rank.ask({ kind: 'close' }, 'closed')));
  return { predictedPeakBytes: first.predictedPeakBytes, plan, ranks: trained.map(({ result }) => result) };
}

/** A rank sees one GPU: of those that this process sees, the one of its number. On the CPU ranks share the cores. */
export function rankEnvironment(
  { device, world }: Pick<WorldAsked, 'device' | 'world'>,
  rank: number,
  env: NodeJS.ProcessEnv,
  cores: number,
): NodeJS.ProcessEnv {
  const threads = env['HAYATE_NATIVE_THREADS'] ?? String(Math.max(1, Math.floor(cores / world)));
  const given = env['CUDA_VISIBLE_DEVICES'];
  const visible = given === undefined ? String(rank) : (given.split(',')[rank] ?? '');
  return {
    ...env,
    HAYATE_NATIVE_THREADS: threads,
    ...(device === 'gpu' && { CUDA_VISIBLE_DEVICES: visible }),
  };
}

const communication = { order: 'Priority', algorithm: 'Auto', port: 29_600, timeoutSeconds } as const;

/** What a worker would be told of this training, as far as its compute thread reads it. */
function configOf(asked: WorldAsked, rank: number): WorkerConfig {
  const { source, parameters, batchSize, seed, world, device, precision, steps, warmUpSteps } = asked;
  return {
    job: { uid: 'bench', namespace: 'default', name: 'bench', attempt: 1 },
    rank,
    worldSize: world,
    peers: [],
    device,
    training: {
      program: source,
      parameters: parameters as WorkerConfig['training']['parameters'],
      globalBatchSize: world * batchSize,
      steps: warmUpSteps + steps + 1, // the last step takes in its own sums too
      seed,
      precision: precision === 'tf32' ? 'TF32' : 'Float32',
    },
    communication,
    memory: { recycling: true },
    checkpoint: { everySteps: 2 ** 31 - 1, keep: 1, directory: 'checkpoints' },
    startupSeconds: timeoutSeconds,
  };
}
