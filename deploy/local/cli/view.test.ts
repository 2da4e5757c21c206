import assert from 'node:assert/strict';
import type { TrainingJob, TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import type { FinalReport, WorkerReport } from '@hayate/crds/worker-config.ts';
import { formatBytes, formatSeconds, shownPath } from './format.ts';
import { initialState, type JobState, lastCause, observeJob, observeReport } from './job-state.ts';
import { finishedEvent, type JobResult, reportLines } from './report.ts';
import { bar, happeningLines, plainProgress, progressLine } from './view.ts';

const job = (status: TrainingJobStatus = {}): TrainingJob =>
  ({
    metadata: { name: 'mnist', namespace: 'default', uid: 'u1' },
    spec: { workers: { replicas: 4 }, training: { steps: 400, globalBatchSize: 256 } },
    status,
  }) as unknown as TrainingJob;

const report = (step: number, more: Partial<WorkerReport> = {}): WorkerReport => ({
  job: { uid: 'u1', attempt: 1 },
  step,
  totalSteps: 400,
  engine: 'wasm',
  ...more,
});

const running = observeJob(initialState(job()), job({ phase: 'Running', attempt: 1 })).state;

/** At step 100 since 0 s, at step 200 after 10 s. */
function halfway(): JobState {
  const first = observeReport(running, 'u1', report(100), 0).state;
  const figures = { loss: 0.2134, samplesPerSecond: 2567.4, stepSeconds: 0.1, exposedCommunicationSeconds: 0.0312 };
  return observeReport(first, 'u1', report(200, figures), 10_000).state;
}

describe('progressLine', () => {
  it('shows bar, step, loss, rate, remaining time and waiting', () => {
    assert.equal(
      progressLine(halfway(), 120, 10_000),
      'mnist  ██████████░░░░░░░░░░  50 %  step 200/400  loss 0.213  2567 samples/s  20 s left  waits 31.2 ms a step (31 %)',
    );
  });

  it('leaves out whole figures where the terminal is narrow', () => {
    assert.equal(progressLine(halfway(), 60, 10_000), 'mnist  ██████████░░░░░░░░░░  50 %  step 200/400  loss 0.213');
    assert.equal(progressLine(halfway(), 10, 10_000), 'mnist  ██…');
  });

  it('says what is waited for before the first step', () => {
    const starting = observeJob(initialState(job()), job({ phase: 'Starting', attempt: 1 })).state;
    assert.equal(progressLine({ ...starting, ready: 3 }, 80, 0), 'mnist  starting 4 workers, 3 ready');
    assert.equal(progressLine(running, 80, 0), 'mnist  training begins');
  });

  it('fills the bar in eighths of a cell', () => {
    assert.equal(bar(0), '░'.repeat(20));
    assert.equal(bar(1), '█'.repeat(20));
    assert.equal(bar(0.03), `▋${'░'.repeat(19)}`);
    assert.equal(bar(7), '█'.repeat(20));
  });

  it('says the same in words for a log', () => {
    assert.equal(
      plainProgress(halfway(), 10_000),
      'mnist: step 200/400, loss 0.213, 2567 samples/s, 20 s left, waits 31.2 ms a step (31 %)',
    );
  });
});

describe('observeReport', () => {
  it('does not believe another attempt, another job or an older step', () => {
    const state = halfway();
    for (const stale of [
      report(300, { job: { uid: 'u1', attempt: 2 } }),
      report(300, { job: { uid: 'u2', attempt: 1 } }),
      report(150),
    ]) {
      assert.deepEqual(observeReport(state, 'u1', stale, 20_000), { state, happenings: [] });
    }
  });

  it('tells a step once', () => {
    const once = observeReport(running, 'u1', report(5, { loss: 1 }), 0);
    assert.deepEqual(once.happenings, [{ event: 'progress', job: 'mnist', step: 5, totalSteps: 400, loss: 1 }]);
    assert.deepEqual(observeReport(once.state, 'u1', report(5, { loss: 1 }), 1).happenings, []);
  });
});

describe('observeJob', () => {
  const failure = {
    attempt: 1,
    class: 'outOfMemory',
    rank: 2,
    pod: 'mnist-w2-a1',
    exitCode: 12,
    reason: 'OutOfMemory',
    message: 'conv1 needs 3 GiB more',
    step: 41,
    time: '2026-01-01T00:00:00Z',
  };

  it('tells a failure once, in words that say what to do, and then the restart', () => {
    const { state, happenings } = observeJob(
      halfway(),
      job({ phase: 'Restarting', attempt: 1, failures: [failure], restarts: { counted: 1 } }),
    );
    assert.deepEqual(
      happenings.flatMap((h) => happeningLines(h, state)),
      [
        'mnist: rank 2 failed in attempt 1 at step 41 (outOfMemory, exit code 12): ran out of device memory; lower globalBatchSize or use more workers',
        '  conv1 needs 3 GiB more',
        'mnist: restarting all workers',
      ],
    );
    const later = observeJob(state, job({ phase: 'Running', attempt: 2, failures: [failure] }));
    assert.deepEqual(
      later.happenings.flatMap((h) => happeningLines(h, later.state)),
      ['mnist: training on 4 workers (attempt 2)'],
    );
    assert.equal(later.state.report, undefined);
  });

  it('blames the first cause, not those who lost a peer', () => {
    const lost = { ...failure, class: 'peerLost', rank: 0, time: '2025-12-31T23:59:59Z' };
    assert.equal(lastCause([lost, failure, { ...failure, attempt: 0, rank: 3 }])?.rank, 2);
    assert.equal(lastCause([]), undefined);
  });
});

const rank = (number: number, more: Partial<FinalReport> = {}): FinalReport => ({
  rank: number,
  worldSize: 4,
  steps: 400,
  loss: 0.0719,
  accuracy: 0.9787,
  weightsDigest: '13703473a104a46fcdbfc0dc',
  engine: 'wasm',
  device: 'cpu',
  precision: 'float32',
  seconds: 40,
  communication: {
    bytesByCollective: { 'gather-sum': 37_958_451, 'split-sum': 0 },
    bucketsByCollective: { 'gather-sum': 2, 'split-sum': 0 },
    exposedSeconds: 4 + number,
    reasons: ['bucket 0: gather-sum, since it is small'],
  },
  memory: { predictedPeakBytes: 6_962_544, measuredPeakBytes: 6_962_544, stockPeakBytes: 18_664_652 },
  ...more,
});
const succeeded = observeJob(running, job({ phase: 'Succeeded', attempt: 1 })).state;
const result = (more: Partial<JobResult> = {}): JobResult => ({
  state: succeeded,
  seconds: 44.3,
  message: '',
  ranks: [0, 1, 2, 3].map((r) => rank(r)),
  ...more,
});

describe('reportLines', () => {
  it('tells accuracy, weights, what was sent how, waiting, memory and restarts', () => {
    assert.deepEqual(reportLines(result()), [
      'mnist finished in 44.3 s: 97.9 % right on data held out',
      '',
      '  training  400 steps of 256 samples, 100 ms a step, last loss 0.0719 (engine wasm)',
      '  weights   13703473a104a46f, identical on all 4 ranks',
      '  sent      gather-sum 36.2 MiB in 2 buckets (rank 0)',
      '            · bucket 0: gather-sum, since it is small',
      '  waiting   17.5 ms a step for gradients of others (17.5 % of the time), slowest rank',
      '  memory    6.64 MiB at the peak, exactly as planned',
      '            stock TensorFlow.js would need 17.8 MiB: 62.7 % saved',
      '  restarts  none',
    ]);
  });

  it('does not hide weights that differ, ranks without a report, or memory that was not as planned', () => {
    const differ = reportLines(result({ ranks: [rank(0), rank(1, { weightsDigest: 'ffff' })] })).join('\n');
    assert.match(differ, /weights {3}DIFFER between ranks: rank 0 13703473a104, rank 1 ffff/);
    const missing = reportLines(result({ ranks: [rank(0)] })).join('\n');
    assert.match(missing, /the same on 1 of 4 ranks; the others left no report/);
    const memory = { predictedPeakBytes: 1024, measuredPeakBytes: 2048, stockPeakBytes: 4096 };
    assert.match(
      reportLines(result({ ranks: [rank(0, { memory })] })).join('\n'),
      /2\.00 KiB at the peak, planned 1\.00 KiB/,
    );
  });

  it('says what a GPU held, and how precisely it computed', () => {
    const memory = { predictedPeakBytes: 1000, measuredPeakBytes: 1000, stockPeakBytes: 4096 };
    const onGpu = (number: number, devicePeakBytes: number) =>
      rank(number, { engine: 'native', device: 'gpu', precision: 'tf32', memory: { ...memory, devicePeakBytes } });
    const told = reportLines(result({ ranks: [onGpu(0, 1050), onGpu(1, 1100)] })).join('\n');
    assert.match(told, /\(engine native on a GPU, products in TF32\)/);
    assert.match(told, /1\.07 KiB in the GPU's allocator, workspaces of kernels included: 10\.0 % beyond the plan/);
    const { device, memory: largest } = finishedEvent(result({ ranks: [onGpu(0, 1050), onGpu(1, 1100)] })) as {
      device: string;
      memory: { devicePeakBytes: number };
    };
    assert.deepEqual([device, largest.devicePeakBytes], ['gpu', 1100]);
  });

  it('says how much of the planned reuse there was, where that was watched', () => {
    const { memory } = rank(0);
    const watched = rank(0, { memory: { ...memory, plannedReuseBytes: 8_000_000, measuredReuseBytes: 6_000_000 } });
    const told = reportLines(result({ ranks: [watched] }));
    assert.ok(
      told.includes('            7.63 MiB planned to reuse memory of the same step, 75.0 % of it at such addresses'),
      told.join('\n'),
    );
  });

  it('says who caused the last restart', () => {
    const failure = {
      attempt: 1,
      class: 'killed',
      rank: 2,
      reason: 'Error',
      message: '',
      time: '2026-01-01T00:00:00Z',
    };
    const state = { ...succeeded, restarts: 1, failures: [failure] };
    assert.equal(
      reportLines(result({ state })).at(-1),
      '  restarts  1; the last one since rank 2 was killed by a signal',
    );
  });

  it('says why a job failed', () => {
    const failed = { ...succeeded, phase: 'Failed' as const };
    assert.deepEqual(reportLines(result({ state: failed, message: 'gave up after 10 restarts', ranks: [] })), [
      'mnist failed after 44.3 s: gave up after 10 restarts',
    ]);
  });
});

describe('finishedEvent', () => {
  it('has what the benchmarks read, of the slowest and largest rank', () => {
    assert.deepEqual(finishedEvent(result()), {
      event: 'finished',
      job: 'mnist',
      namespace: 'default',
      phase: 'Succeeded',
      message: '',
      seconds: 44.3,
      steps: 400,
      loss: 0.0719,
      accuracy: 0.9787,
      ranks: [0, 1, 2, 3].map((r) => ({ rank: r, weightsDigest: '13703473a104a46fcdbfc0dc' })),
      communication: {
        distanceToOptimum: null,
        bytesByCollective: { 'gather-sum': 37_958_451, 'split-sum': 0 },
        bucketsByCollective: { 'gather-sum': 2, 'split-sum': 0 },
        exposedSeconds: 7,
        reasons: ['bucket 0: gather-sum, since it is small'],
      },
      memory: {
        predictedPeakBytes: 6_962_544,
        measuredPeakBytes: 6_962_544,
        stockPeakBytes: 18_664_652,
        devicePeakBytes: null,
        plannedReuseBytes: null,
        measuredReuseBytes: null,
      },
      restarts: 0,
      engine: 'wasm',
      device: 'cpu',
      precision: 'float32',
    });
  });
});

describe('numbers for people', () => {
  it('have about three digits and a unit', () => {
    assert.deepEqual([0, 999, 1024, 1_048_575, 5e9].map(formatBytes), [
      '0 B',
      '999 B',
      '1.00 KiB',
      '1.00 MiB',
      '4.66 GiB',
    ]);
    assert.deepEqual([0, 0.00034, 0.0031, 12.4, 200, 7500].map(formatSeconds), [
      '0 s',
      '340 µs',
      '3.10 ms',
      '12.4 s',
      '3 min 20 s',
      '2 h 5 min',
    ]);
  });

  it('paths are relative below the current directory and absolute elsewhere', () => {
    assert.deepEqual(
      ['/a/b/c', '/a', '/a/b'].map((path) => shownPath(path, '/a/b')),
      ['c', '/a', '.'],
    );
  });
});
