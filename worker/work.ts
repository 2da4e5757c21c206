import { availableParallelism } from 'node:os';
import { type Lanes, startLanes, usualLanes } from './communication/lanes.ts';
import { ComputeLink } from './compute-link.ts';
import { type Context, times } from './context.ts';
import { type Ending, endingOf, isSuffered, terminated, WorkerError } from './ending.ts';
import { FirstFailure } from './failure.ts';
import { type Group, openGroup } from './group.ts';
import type { Stop } from './membership/message.ts';
import { reuseSentence } from './memory/reuse-sentence.ts';
import { rendezvous } from './rendezvous.ts';
import { Telemetry } from './telemetry/telemetry.ts';
import { openSaver, train } from './train.ts';

/**
 * A worker's life: open everything, meet the group, train, leave together. Returns undefined when the work is done, or how
 * the group was asked to end before that; throws a WorkerError with the first cause of any other end. What it opens is closed
 * with `open`.
 */
export async function work(context: Context, open: AsyncDisposableStack): Promise<Ending | undefined> {
  const { config, engine, settings, log } = context;
  const failure = new FirstFailure();
  let lanes: Lanes | undefined;
  let group: Group | undefined;
  let stop: Stop | undefined;

  const telemetry = new Telemetry(context, async () => (await lanes?.stats())?.bytesByCollective ?? {});
  const saver = openSaver(context, failure, (step) => telemetry.saved(step));
  const compute = new ComputeLink(new URL('compute/thread.ts', import.meta.url), {
    onStep: (step) => {
      telemetry.stepped(step);
      if (step.reuse !== undefined) log.info(`memory: ${reuseSentence(step.reuse)}`);
      if (step.warning !== undefined) log.warn(step.warning);
    },
    onSnapshot: (state) => saver?.save(state),
    onFailure: failure.fail,
  });
  open.defer(() => compute.close());

  try {
    const building = compute.build(config, engine, settings);
    open.defer(await telemetry.serve());
    lanes = await failure.or(openLanes(context));
    open.adopt(lanes, (threads) => threads.close());
    lanes.onFailure(failure.fail);
    group = await openGroup(context, lanes.ports, {
      step: () => telemetry.stepsDone,
      stopStep: () => telemetry.unreachedStep,
      onStop: (agreed) => {
        stop = agreed;
        compute.stop(agreed.afterStep);
      },
      onEnd: failure.fail,
    });
    open.defer(group.close);
    endOnRequest(context, group, failure);

    const agreed = await failure.or(rendezvous(context, group, lanes, building));
    const { built, plan, state } = agreed;
    for (const choice of built.choices) log.info(choice);
    log.info(`trains ${built.parameters} parameters from step ${state.step} to ${config.training.steps}`);
    telemetry.started(built, plan, state.step);
    const { finished, weightsDigest } = await failure.or(train(compute, agreed, saver));
    telemetry.ended(finished, weightsDigest);
    await failure.or(group.member.done({ step: finished.state.step, weightsDigest }));

    if (stop !== undefined && finished.stopped) return asked(context, stop, finished.state.step);
    await telemetry.report();
    log.info(`finished ${finished.state.step} steps; weights ${weightsDigest}`);
    return undefined;
  } catch (error) {
    throw await firstCause(error, group, config.rank, telemetry.stepsDone);
  }
}

function openLanes({ config, environment }: Context): Promise<Lanes> {
  const timeoutMs = config.communication.timeoutSeconds * 1000;
  return startLanes({
    host: environment.podIp,
    port: config.communication.port,
    lanes: usualLanes(availableParallelism()),
    rank: config.rank,
    worldSize: config.worldSize,
    // All ranks need one fence before they have spoken; a rank comes once in an attempt, membership sees to that.
    fence: { jobUid: config.job.uid, attempt: config.job.attempt, incarnation: '' },
    timeoutMs,
    connectTimeoutMs: config.startupSeconds * 1000,
  });
}

/** On SIGTERM: asks the group for a common last step, and gives up on it in time for the grace period. */
function endOnRequest({ stopping, config }: Context, group: Group, failure: FirstFailure): void {
  const end = () => {
    if (!group.member.requestStop()) failure.fail(terminated(config.rank, 'before it had joined its group'));
    setTimeout(() => failure.fail(terminated(config.rank, 'and gave up its current step')), times.stopMs).unref();
  };
  if (stopping.aborted) end();
  else stopping.addEventListener('abort', end, { once: true });
}

/** How a rank ends after a common last step: as it was asked, or because a peer was. */
function asked({ stopping, config }: Context, stop: Stop, step: number): Ending {
  if (stopping.aborted) return terminated(config.rank, `after step ${step}, with all ranks`).ending;
  const message = `rank ${stop.requestedBy} was asked to end, so all ranks ended after step ${step}`;
  return { class: 'peerLost', reason: 'PeerTerminated', message, step, blamedRank: stop.requestedBy };
}

/** Tells the group why this rank ends, and lets the group's verdict speak where this rank only suffers. */
async function firstCause(error: unknown, group: Group | undefined, rank: number, step: number): Promise<WorkerError> {
  const ending = endingOf(error);
  const blamedRank = ending.blamedRank ?? rank;
  const cause = { class: ending.class, blamedRank, message: ending.message };
  const verdict = await group?.member.abort(cause, times.verdictMs);
  const said = verdict !== undefined && isSuffered(ending) ? endingOf(verdict) : ending;
  return new WorkerError({ step, ...said }, { cause: error });
}
