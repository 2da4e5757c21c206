import type { Training } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';
import type { DeviceMemory } from '../../worker/engine/engine.ts';
import type { Reuse } from '../../worker/memory/measured-reuse.ts';
import { Timeline } from './timeline.ts';

/** Steps that do not count: the first, and the first that updates weights; engines choose and compile in both. */
const usualWarmUpSteps = 2;

/** Told when steps begin and end that are looked at more closely, after those that count. */
interface Observer {
  steps: number;
  start(): void;
  stop(): void;
}

/**
 * Trains in this process alone; returns what `steps` steps in the middle of the training took and held. A device may
 * be given a step before it is done with the last one: a step counts from the end of the one before to its own end.
 */
export async function trainAlone(
  training: Training,
  steps: number,
  warmUpSteps: number = usualWarmUpSteps,
  observer?: Observer,
) {
  const counted = warmUpSteps + steps;
  const observed = counted + (observer?.steps ?? 0);
  const seconds: number[] = [];
  const exposedSeconds: number[] = [];
  const losses: number[] = [];
  const endedMs: number[] = [];
  const clock = () => performance.now();
  const { buckets } = training;
  const timeline = new Timeline(training.request.engine, loopback(buckets), buckets.length, clock);
  const { engine, exchange } = timeline;
  let held: DeviceMemory | undefined;
  let reuse: Reuse | undefined;
  let exact = true;
  const { measuredPeakBytes } = await runTraining({
    training: { ...training, request: { ...training.request, engine } },
    exchange,
    state: training.initial,
    rank: 0,
    worldSize: 1,
    steps: Number.MAX_SAFE_INTEGER,
    checkpointEverySteps: Number.MAX_SAFE_INTEGER,
    clock,
    post: (message) => {
      if (message.kind !== 'step') return;
      endedMs.push(performance.now());
      if (message.step === warmUpSteps) {
        engine.resetPeak(); // forgets what choosing algorithms took
        timeline.start();
      }
      if (message.step === counted) {
        timeline.stop();
        held = engine.deviceMemory();
        observer?.start();
      }
      if (message.step === observed) observer?.stop();
      seconds.push(message.seconds);
      exposedSeconds.push(message.exposedSeconds);
      losses.push(message.loss ?? Number.NaN);
      reuse ??= message.reuse;
      if (message.warning !== undefined) {
        exact = false;
        console.error(message.warning);
      }
    },
    // The last step takes in its own sums too. Who stops before the end evaluates nothing and saves nothing.
    stopAfter: () => observed + 1,
  });
  const [first, last] = [endedMs[warmUpSteps - 1], endedMs[counted - 1]] as [number, number];
  return {
    peakBytes: measuredPeakBytes,
    /** What the device's own allocator held at most in the counted steps; undefined where there is none. */
    allocatorPeakBytes: held?.peak,
    /** What it had taken for that. */
    allocatorReservedBytes: held?.reserved,
    /** Planned reuse of memory against the addresses of one step; undefined where the engine has none. */
    reuse,
    seconds: seconds.slice(warmUpSteps, counted),
    exposedSeconds: exposedSeconds.slice(warmUpSteps, counted),
    /** Wall time from the end of the last step that does not count to that of the last that does, by their number. */
    windowSeconds: (last - first) / 1000 / steps,
    /** Of all steps. */
    losses,
    /** How gradients and sums travelled; none where the engine computes in memory of the host. */
    buckets: timeline.result(),
    /** The ledger equalled the plan after every event. */
    exact,
  };
}
