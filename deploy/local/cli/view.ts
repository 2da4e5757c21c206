import { classSentences, type FailureClass } from '@hayate/crds/exit-codes.ts';
import { count, digits, formatSeconds, formatWholeSeconds } from './format.ts';
import { type Happening, isOver, type JobState, remainingSeconds } from './job-state.ts';

const barCells = 20;

/** `████████▌       ` in eighths of a cell; `share` is 0 … 1. */
export function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * barCells * 8);
  const partial = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '';
  return ('█'.repeat(Math.floor(eighths / 8)) + partial).padEnd(barCells, '░');
}

/** The line of a job that is redrawn while it runs: as many figures as fit into `columns`. */
export function progressLine(state: JobState, columns: number, nowMs: number): string {
  const { report } = state;
  if (report === undefined || state.phase !== 'Running') return cut(`${state.name}  ${waitingText(state)}`, columns);
  const percent = Math.floor((100 * report.step) / state.totalSteps);
  let line = `${state.name}  ${bar(report.step / state.totalSteps)} ${String(percent).padStart(3)} %`;
  for (const figure of figures(state, nowMs)) {
    if (line.length + 2 + figure.length > columns) break;
    line += `  ${figure}`;
  }
  return cut(line, columns);
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}

/** The same in words, for a log or a pipe. */
export function plainProgress(state: JobState, nowMs: number): string {
  return `${state.name}: ${figures(state, nowMs).join(', ')}`;
}

/** Most important first: the end of the line is what a narrow terminal cuts. */
function figures(state: JobState, nowMs: number): string[] {
  const { report } = state;
  if (report === undefined) return [];
  const parts = [`step ${report.step}/${state.totalSteps}`];
  if (report.loss !== undefined) parts.push(`loss ${report.loss.toFixed(3)}`);
  if (report.samplesPerSecond !== undefined) parts.push(`${digits(report.samplesPerSecond)} samples/s`);
  const left = remainingSeconds(state, nowMs);
  if (left !== undefined && left > 0) parts.push(`${formatWholeSeconds(left)} left`);
  const { exposedCommunicationSeconds: waited, stepSeconds } = report;
  if (waited !== undefined) {
    const share = stepSeconds ? ` (${Math.round((100 * waited) / stepSeconds)} %)` : '';
    parts.push(`waits ${formatSeconds(waited)} a step${share}`);
  }
  return parts;
}

function waitingText(state: JobState): string {
  switch (state.phase) {
    case 'Pending':
      return 'waiting for the operator';
    case 'Starting':
      return `starting ${count(state.workers, 'worker')}, ${state.ready} ready`;
    case 'Running':
      return 'training begins';
    case 'Restarting':
      return 'waiting to restart';
    case 'Suspended':
      return 'suspended; set spec.suspend to false to go on';
    case 'Succeeded':
      return 'finished';
    case 'Failed':
      return 'failed';
    default:
      return assertNever(state.phase);
  }
}

/** Lines that stay: one for each happening that a person wants to know later, none for the rest. */
export function happeningLines(happening: Happening, state: JobState): string[] {
  switch (happening.event) {
    case 'phase':
      return phaseLines(happening, state);
    case 'failure':
      return failureLines(happening);
    case 'ready':
    case 'progress':
      return [];
    default:
      return assertNever(happening);
  }
}

function phaseLines(happening: Extract<Happening, { event: 'phase' }>, state: JobState): string[] {
  const { job, phase, attempt, message } = happening;
  if (isOver(phase) || phase === 'Pending') return [];
  const again = attempt > 1 ? ` (attempt ${attempt})` : '';
  switch (phase) {
    case 'Starting':
      return [`${job}: starting ${count(state.workers, 'worker')}${again}`];
    case 'Running':
      return [`${job}: training on ${count(state.workers, 'worker')}${again}`];
    case 'Restarting':
      return [`${job}: restarting all workers`];
    case 'Suspended':
      return [`${job}: suspended${message === '' ? '' : `: ${message}`}`];
    default:
      return assertNever(phase);
  }
}

/** Who failed, why, and what that means: `mnist: rank 2 failed in attempt 1 at step 40: lost its peer …`. */
export function failureLines(failure: Extract<Happening, { event: 'failure' }>): string[] {
  const who = failure.rank === undefined ? (failure.pod ?? 'a worker') : `rank ${failure.rank}`;
  const code = failure.exitCode === undefined ? '' : `, exit code ${failure.exitCode}`;
  const step = failure.step === undefined ? '' : ` at step ${failure.step}`;
  // Where the class says nothing, the message is all there is.
  const known = failure.class === 'unknown' ? undefined : classSentences[failure.class as FailureClass];
  const what = known ?? (failure.message || failure.reason);
  const more = failure.message === '' || failure.message === what ? '' : `\n${failure.message}`;
  const detail = more.replaceAll('\n', '\n  ');
  return `${failure.job}: ${who} failed in attempt ${failure.attempt}${step} (${failure.class}${code}): ${what}${detail}`.split(
    '\n',
  );
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
