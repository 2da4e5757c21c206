import { classSentences, type FailureClass } from '@hayate/crds/exit-codes.ts';
import type { FinalReport } from '@hayate/crds/worker-config.ts';
import { count, formatBytes, formatPercent, formatSeconds } from './format.ts';
import { type JobState, lastCause } from './job-state.ts';

/** All that is known of a job at its end. `seconds` counts from its application; `ranks` are in order of rank. */
export interface JobResult {
  state: JobState;
  seconds: number;
  message: string;
  ranks: FinalReport[];
}

/** How many reasons for the choice of a collective are printed; the rest is in the reports. */
const reasonsShown = 4;

/** The report of one job for people. */
export function reportLines(result: JobResult): string[] {
  const { state, seconds, ranks } = result;
  const first = ranks[0];
  if (state.phase !== 'Succeeded') {
    return [
      `${state.name} failed after ${formatSeconds(seconds)}${result.message === '' ? '' : `: ${result.message}`}`,
    ];
  }
  if (first === undefined) {
    return [`${state.name} finished in ${formatSeconds(seconds)}; its workers left no report`];
  }
  return [
    headline(result, first),
    '',
    row('training', trainingText(state, first)),
    row('weights', weightsText(state, ranks)),
    ...communicationRows(first, ranks),
    ...memoryRows(first, ranks),
    row('restarts', state.restarts === 0 ? 'none' : restartsText(state)),
  ];
}

function headline({ state, seconds }: JobResult, first: FinalReport): string {
  const accuracy = first.accuracy === undefined ? '' : `: ${formatPercent(first.accuracy)} right on data held out`;
  return `${state.name} finished in ${formatSeconds(seconds)}${accuracy}`;
}

function trainingText(state: JobState, first: FinalReport): string {
  const loss = first.loss === undefined ? '' : `, last loss ${first.loss.toFixed(4)}`;
  const rate = first.seconds > 0 ? `, ${formatSeconds(first.seconds / Math.max(1, first.steps))} a step` : '';
  return `${count(first.steps, 'step')} of ${count(state.globalBatchSize, 'sample')}${rate}${loss} (${engineText(first)})`;
}

function engineText({ engine, device, precision }: FinalReport): string {
  const products = precision === 'tf32' ? ', products in TF32' : '';
  return `engine ${engine}${device === 'gpu' ? ' on a GPU' : ''}${products}`;
}

function weightsText(state: JobState, ranks: readonly FinalReport[]): string {
  const digests = new Set(ranks.map((r) => r.weightsDigest));
  const [digest = ''] = digests;
  if (digests.size > 1) {
    return `DIFFER between ranks: ${ranks.map((r) => `rank ${r.rank} ${r.weightsDigest.slice(0, 12)}`).join(', ')}`;
  }
  if (ranks.length < state.workers) {
    return `${digest.slice(0, 16)}, the same on ${ranks.length} of ${state.workers} ranks; the others left no report`;
  }
  return ranks.length === 1 ? digest.slice(0, 16) : `${digest.slice(0, 16)}, identical on all ${ranks.length} ranks`;
}

function communicationRows(first: FinalReport, ranks: readonly FinalReport[]): string[] {
  const { bytesByCollective, bucketsByCollective, reasons } = first.communication;
  const used = Object.entries(bytesByCollective).filter(([, bytes]) => bytes > 0);
  const sent = used.map(([collective, bytes]) => {
    const buckets = bucketsByCollective[collective];
    return `${collective} ${formatBytes(bytes)}${buckets === undefined ? '' : ` in ${count(buckets, 'bucket')}`}`;
  });
  if (sent.length === 0) return [row('sent', 'nothing: one worker has nobody to share with')];
  const exposed = Math.max(...ranks.map((r) => r.communication.exposedSeconds));
  const share = first.seconds > 0 ? ` (${formatPercent(exposed / first.seconds)} of the time)` : '';
  const perStep = formatSeconds(exposed / Math.max(1, first.steps));
  const more = reasons.length - reasonsShown;
  return [
    row('sent', `${sent.join(', ')} (rank 0)`),
    ...reasons.slice(0, reasonsShown).map((reason) => row('', `· ${reason}`)),
    ...(more > 0 ? [row('', `· and ${more} more in the reports`)] : []),
    row('waiting', `${perStep} a step for gradients of others${share}, slowest rank`),
  ];
}

function memoryRows(first: FinalReport, ranks: readonly FinalReport[]): string[] {
  const { predictedPeakBytes, stockPeakBytes } = first.memory;
  const measured = Math.max(...ranks.map((r) => r.memory.measuredPeakBytes));
  const verdict = measured === predictedPeakBytes ? 'exactly as planned' : `planned ${formatBytes(predictedPeakBytes)}`;
  const saved = stockPeakBytes > 0 ? `: ${formatPercent(1 - measured / stockPeakBytes)} saved` : '';
  return [
    row('memory', `${formatBytes(measured)} at the peak, ${verdict}`),
    ...deviceRow(ranks, predictedPeakBytes),
    ...reuseRow(first),
    row('', `stock TensorFlow.js would need ${formatBytes(stockPeakBytes)}${saved}`),
  ];
}

/** What a GPU's allocator held, which is more than the plan's tensors by alignment and the workspaces of convolutions. */
function deviceRow(ranks: readonly FinalReport[], predictedBytes: number): string[] {
  const bytes = devicePeakBytes(ranks);
  if (bytes === undefined) return [];
  const beyond = `${formatPercent(bytes / predictedBytes - 1)} beyond the plan`;
  return [row('', `${formatBytes(bytes)} in the GPU's allocator, workspaces of kernels included: ${beyond}`)];
}

/** How far rank 0's engine reused memory as the plan has it. */
function reuseRow({
  memory: { plannedReuseBytes: planned = 0, measuredReuseBytes: measured = 0 },
}: FinalReport): string[] {
  if (planned === 0) return [];
  const share = formatPercent(measured / planned);
  return [
    row('', `${formatBytes(planned)} planned to reuse memory of the same step, ${share} of it at such addresses`),
  ];
}

function devicePeakBytes(ranks: readonly FinalReport[]): number | undefined {
  const known = ranks.flatMap(({ memory }) => memory.devicePeakBytes ?? []);
  return known.length === 0 ? undefined : Math.max(...known);
}

function restartsText(state: JobState): string {
  const last = lastCause(state.failures);
  if (last === undefined) return String(state.restarts);
  const who = last.rank === undefined ? (last.pod ?? 'a worker') : `rank ${last.rank}`;
  const why = classSentences[last.class as FailureClass] ?? last.message;
  return `${state.restarts}; the last one since ${who} ${why}`;
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(10)}${text}`;
}

/** Where to look next, after everything. */
export function nextSteps(directory: string): string[] {
  return [
    'Where to look next',
    `  logs, reports and checkpoints of this run   ${directory}`,
    '  a cluster that stays, for kubectl           npx hayate up',
    '  your own network                            README.md, then npx hayate run job.yaml',
  ];
}

/** The last event of a job in --json. */
export function finishedEvent(result: JobResult): object {
  const { state, seconds, ranks } = result;
  const first = ranks[0];
  const largest = (of: (report: FinalReport) => number) => (first === undefined ? null : Math.max(...ranks.map(of)));
  return {
    event: 'finished',
    job: state.name,
    namespace: state.namespace,
    phase: state.phase,
    message: result.message,
    seconds,
    steps: first?.steps ?? state.report?.step ?? 0,
    loss: first?.loss ?? null,
    accuracy: first?.accuracy ?? null,
    ranks: ranks.map((r) => ({ rank: r.rank, weightsDigest: r.weightsDigest })),
    communication: {
      distanceToOptimum: null,
      bytesByCollective: first?.communication.bytesByCollective ?? {},
      bucketsByCollective: first?.communication.bucketsByCollective ?? {},
      exposedSeconds: largest((r) => r.communication.exposedSeconds),
      reasons: first?.communication.reasons ?? [],
    },
    memory: {
      predictedPeakBytes: largest((r) => r.memory.predictedPeakBytes),
      measuredPeakBytes: largest((r) => r.memory.measuredPeakBytes),
      stockPeakBytes: largest((r) => r.memory.stockPeakBytes),
      devicePeakBytes: devicePeakBytes(ranks) ?? null,
      plannedReuseBytes: first?.memory.plannedReuseBytes ?? null,
      measuredReuseBytes: first?.memory.measuredReuseBytes ?? null,
    },
    restarts: state.restarts,
    engine: first?.engine ?? state.report?.engine ?? null,
    device: first?.device ?? null,
    precision: first?.precision ?? null,
  };
}
