import { digestState } from './checkpoint/digest.ts';
import { disk } from './checkpoint/directory.ts';
import { Saver } from './checkpoint/saver.ts';
import type { ComputeLink, Finished } from './compute-link.ts';
import type { Context } from './context.ts';
import type { FirstFailure } from './failure.ts';
import type { Agreed } from './rendezvous.ts';

/** What training ended with. */
export interface Trained {
  finished: Finished;
  weightsDigest: string;
}

/** Writes rank 0's snapshots; other ranks write none. */
export function openSaver(context: Context, failure: FirstFailure, onSaved: (step: number) => void): Saver | undefined {
  const { config, incarnation, log } = context;
  if (config.rank !== 0) return undefined;
  return new Saver({
    ...config.checkpoint,
    jobUid: config.job.uid,
    incarnation,
    storage: disk,
    onSaved: (step, file) => {
      log.info(`wrote ${file}`);
      onSaved(step);
    },
    onFailure: failure.fail,
  });
}

/** Trains to the end, or to the step that the group agreed to stop after; the last state is on disk when it returns. */
export async function train(compute: ComputeLink, agreed: Agreed, saver: Saver | undefined): Promise<Trained> {
  const finished = await compute.train(agreed.state, agreed.exchange);
  saver?.save(finished.state);
  const { weights } = await digestState(finished.state);
  await saver?.flush();
  return { finished, weightsDigest: weights };
}
