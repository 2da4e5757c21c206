import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { digestState } from '../../worker/checkpoint/digest.ts';
import { buildTraining } from '../../worker/compute/build.ts';
import { loopback } from '../../worker/compute/loopback.ts';
import { runTraining } from '../../worker/compute/run.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { loadProgram } from '../../worker/program/load.ts';
import { parseParameters } from '../../worker/program/parameters.ts';
import { small, WorkerRig } from './worker-group.ts';

const steps = 20;
const batchSize = 4;

/** Digest of the weights to which the same training comes that hands its gradients over and takes them back. */
async function digestByExchange(): Promise<string> {
  const program = await loadProgram(small, '/');
  const training = await buildTraining({
    program,
    parameters: parseParameters(program, {}),
    batchSize,
    seed: 42,
    recycling: true,
    engine: await openEngine('wasm'),
  });
  assert.ok(training.buckets.length > 0);
  const { state } = await runTraining({
    training,
    exchange: loopback(training.buckets),
    state: training.initial,
    rank: 0,
    worldSize: 1,
    steps,
    checkpointEverySteps: 100,
    clock: () => performance.now(),
    post: () => {},
    stopAfter: () => undefined,
  });
  return (await digestState(state)).weights;
}

describe('a worker that is the only one', function () {
  this.timeout(90_000);
  let rig: WorkerRig;
  beforeEach(() => {
    rig = new WorkerRig();
  });
  afterEach(async () => await rig.close());

  const trained = async (attempt: number, until: number) => {
    const setting = { worldSize: 1, globalBatchSize: batchSize, everySteps: 8, attempt, steps: until };
    const [only] = rig.start(setting);
    const { code } = await only!.ended;
    assert.equal(code, 0, only!.output);
    const [report] = rig.reports(1);
    return { report: report!, output: only!.output };
  };

  it('exchanges nothing, checkpoints and resumes, and comes to the weights of one that exchanges with itself', async () => {
    await trained(1, 12);
    assert.deepEqual(readdirSync(path.join(rig.directory, 'checkpoints')), ['step-12.ckpt', 'step-8.ckpt']);
    const { report, output } = await trained(2, steps);
    assert.match(output, /resumes from the checkpoint of step 12/);
    assert.equal(report.weightsDigest, await digestByExchange());
    assert.deepEqual(report.communication.bucketsByCollective, {});
    assert.equal(report.communication.exposedSeconds, 0);
    assert.equal(report.memory.measuredPeakBytes, report.memory.predictedPeakBytes);
  });
});
