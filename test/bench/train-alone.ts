import type { Training } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';

/** Steps that do not count: the first, and the first that updates weights; engines choose and compile in both. */
const warmUp = 2;

/** Trains in this process alone; returns what `steps` steps in the middle of the training took and held. */
export async function trainAlone(training: Training, steps: number) {
  const seconds: number[] = [];
  const exposedSeconds: number[] = [];
  let exact = true;
  const { measuredPeakBytes } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 1, // evaluates nothing and saves nothing
    worldSize: 1,
    steps: warmUp + steps + 1, // the last step takes in its own sums too
    checkpointEverySteps: Number.MAX_SAFE_INTEGER,
    clock: () => performance.now(),
    post: (message) => {
      if (message.kind !== 'step') return;
      seconds.push(message.seconds);
      exposedSeconds.push(message.exposedSeconds);
      if (message.warning !== undefined) {
        exact = false;
        console.error(message.warning);
      }
    },
    stopAfter: () => undefined,
  });
  return {
    peakBytes: measuredPeakBytes,
    seconds: seconds.slice(warmUp, -1),
    exposedSeconds: exposedSeconds.slice(warmUp, -1),
    /** The ledger equalled the plan after every event. */
    exact,
  };
}
