import type { Training } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';

/** Steps that do not count: the first, and the first that updates weights; engines choose and compile in both. */
const usualWarmUpSteps = 2;

/**
 * Trains in this process alone; returns what `steps` steps in the middle of the training took and held. On a GPU,
 * calls return before it is done: the host may run ahead by some work, always the same in the steady state, so that
 * a step's share of the wall time of all counted steps is right where the times of single steps may not be.
 */
export async function trainAlone(training: Training, steps: number, warmUpSteps: number = usualWarmUpSteps) {
  const seconds: number[] = [];
  const exposedSeconds: number[] = [];
  const losses: number[] = [];
  const endedMs: number[] = [];
  const { engine } = training.request;
  let allocatorPeakBytes: number | undefined;
  let exact = true;
  const { measuredPeakBytes } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 1, // evaluates nothing and saves nothing
    worldSize: 1,
    steps: warmUpSteps + steps + 1, // the last step takes in its own sums too
    checkpointEverySteps: Number.MAX_SAFE_INTEGER,
    clock: () => performance.now(),
    post: (message) => {
      if (message.kind !== 'step') return;
      endedMs.push(performance.now());
      if (message.step === warmUpSteps) engine.resetPeak(); // forgets what choosing algorithms took
      if (message.step === warmUpSteps + steps) allocatorPeakBytes = engine.deviceMemory()?.peak;
      seconds.push(message.seconds);
      exposedSeconds.push(message.exposedSeconds);
      losses.push(message.loss ?? Number.NaN);
      if (message.warning !== undefined) {
        exact = false;
        console.error(message.warning);
      }
    },
    stopAfter: () => undefined,
  });
  const [first, last] = [endedMs[warmUpSteps - 1], endedMs[warmUpSteps + steps - 1]] as [number, number];
  return {
    peakBytes: measuredPeakBytes,
    /** What the device's own allocator held at most in the counted steps; undefined where there is none. */
    allocatorPeakBytes,
    seconds: seconds.slice(warmUpSteps, -1),
    exposedSeconds: exposedSeconds.slice(warmUpSteps, -1),
    windowSeconds: (last - first) / 1000 / steps,
    /** Of all steps. */
    losses,
    /** The ledger equalled the plan after every event. */
    exact,
  };
}
