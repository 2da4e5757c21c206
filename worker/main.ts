import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseWorkerConfig } from '@hayate/crds/worker-config.ts';
import pino from 'pino';
import { chooseEngine } from './choose-engine.ts';
import { type Ending, endingOf, exitCode, terminationText } from './ending.ts';
import { isStaged } from './engine/native/staged.ts';
import { readEnvironment } from './environment.ts';
import { work } from './work.ts';

/** Stands in for a configuration that cannot be read, so that what is wrong with the environment is named beside it. */
const nothingAsked = { device: 'cpu', training: { precision: 'Float32' } } as const;

const environment = readEnvironment(process.env);
const parsed = parseWorkerConfig(environment.config);
const { device, training } = parsed.ok ? parsed.config : nothingAsked;
const choice = chooseEngine(environment, { device, precision: training.precision }, (on) => isStaged(process.env, on));
const rank = parsed.ok ? parsed.config.rank : -1;
const log = pino(
  { base: parsed.ok ? { rank, attempt: parsed.config.job.attempt } : {}, timestamp: pino.stdTimeFunctions.isoTime },
  pino.destination({ fd: 1, sync: true }),
);

/** Closing takes well below a second; what hangs longer is left behind. */
const lastSecondsMs = 3000;
const stopping = new AbortController();

process.on('uncaughtException', (error) => end(endingOf(error)));
process.on('SIGTERM', () => {
  log.info('was asked to end');
  stopping.abort();
});
process.on('SIGINT', () => {
  // Ctrl-C on a terminal reaches every process; under a kubelet the pod's end is the kubelet's to decide.
  if (!environment.parentOnStdin) stopping.abort();
});
if (environment.parentOnStdin) {
  process.stdin.on('error', orphaned).on('close', orphaned).on('end', orphaned).resume();
}

if (!parsed.ok || !choice.ok) {
  const problems = [...(parsed.ok ? [] : parsed.problems), ...(choice.ok ? [] : choice.problems)];
  const message = problems.join('; ');
  const isMissing = parsed.ok && !choice.ok && choice.class === 'engineMissing';
  end(
    isMissing
      ? { class: 'engineMissing', reason: 'EngineMissing', message }
      : { class: 'configuration', reason: 'BadConfiguration', message },
  );
} else {
  const { engine, settings, why } = choice;
  const where = `${settings.device}, ${settings.precision}`;
  log.info(`rank ${rank} of ${parsed.config.worldSize}, engine ${engine}: ${why} (${where})`);
  const open = new AsyncDisposableStack();
  const context = {
    config: parsed.config,
    environment,
    engine,
    settings,
    log,
    incarnation: randomUUID(),
    clock: () => performance.now(),
    now: () => new Date(),
    stopping: stopping.signal,
  };
  const ending = await work(context, open).catch(endingOf);
  await Promise.race([open.disposeAsync().catch(() => {}), sleep(lastSecondsMs)]);
  end(ending);
}

/** Leaves the termination message and goes; undefined is success. */
function end(ending: Ending | undefined): never {
  if (ending === undefined) process.exit(0);
  log.error(ending.message);
  if (environment.terminationLog !== undefined) {
    try {
      writeFileSync(environment.terminationLog, terminationText(ending, rank));
    } catch (error) {
      log.warn(`could not write ${environment.terminationLog}: ${String(error)}`);
    }
  }
  process.exit(exitCode(ending));
}

/** Whoever started this worker is gone, and nobody would end it any more. */
function orphaned(): never {
  process.exit(1);
}
