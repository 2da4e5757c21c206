import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchDocument } from './document.ts';
import type { Profile } from './profile.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const small = ['--model', 'resnet50', '--image-size', '32', '--width', '0.125', '--batch', '4'];

type Measured = 'stepSeconds' | 'windowSeconds' | 'predictedPeakBytes' | 'processPeakBytes';
type Row = Readonly<Record<string, unknown>> & Record<Measured, number>;

async function bench(...args: string[]): Promise<BenchDocument<Row>> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--json']);
  return JSON.parse(stdout.trim().split('\n').at(-1)) as BenchDocument<Row>;
}

const refused = (args: string[], sentence: RegExp) =>
  assert.rejects(bench(...args), (error: unknown) => {
    const { code, stderr } = error as { code: number; stderr: string };
    assert.match(stderr, sentence);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    return code === 2;
  });

describe('bench train', () => {
  for (const engine of ['wasm', 'stock']) {
    it(`times steps of a small ResNet-50 on ${engine}, which hold what was predicted`, async () => {
      const { bench: name, repeats, results } = await bench('train', ...small, '--steps', '3', '--engine', engine);
      const [result] = results as [Row];
      assert.deepEqual([name, repeats, results.length], ['train', 3, 1]);
      const { stepSeconds, windowSeconds, processPeakBytes, predictedPeakBytes: predicted, ...others } = result;
      const { reuse, ...rest } = others;
      assert.ok(stepSeconds > 0 && windowSeconds > 0);
      assert.ok(processPeakBytes > predicted);
      if (engine === 'stock') assert.equal(reuse, null);
      else {
        const { plannedBytes, hitBytes } = reuse as { plannedBytes: number; hitBytes: number };
        assert.ok(hitBytes > 0 && hitBytes <= plannedBytes);
      }
      assert.deepEqual(rest, {
        model: 'resnet50',
        batch: 4,
        imageSize: 32,
        world: 1,
        engine,
        device: 'cpu',
        precision: 'float32',
        residentBatch: false,
        handOver: false,
        optimizer: 'momentum',
        samplesPerSecond: 4 / stepSeconds,
        exposedCommunicationSeconds: 0,
        measuredPeakBytes: predicted,
        allocatorPeakBytes: null,
        allocatorReservedBytes: null,
        layout: null,
        workspaceBytes: null,
        choices: [],
      });
    });
  }

  it('says where the time of a step goes, when asked for a profile', async () => {
    const [result] = (await bench('train', ...small, '--steps', '3', '--profile')).results as [Row];
    const { steps, stepMilliseconds, betweenCallsMilliseconds, kernels, longest } = result['profile'] as Profile;
    assert.equal(steps, 10);
    const sum = kernels.reduce((total, { milliseconds }) => total + milliseconds, 0);
    assert.ok(Math.abs(sum + betweenCallsMilliseconds - stepMilliseconds) < 1e-6);
    assert.ok(sum > 0 && betweenCallsMilliseconds > 0);
    const calls = new Map(kernels.map(({ name, callsPerStep }) => [name, callsPerStep]));
    // 53 convolutions; the first one's image needs no gradient
    assert.deepEqual(
      ['FusedConv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput', 'upload', 'update by momentum'].map((name) =>
        calls.get(name),
      ),
      [53, 53, 52, 2, 161],
    );
    assert.match(longest[0]!.name, /→ \[.*\] \(layer \d+, /);
    assert.deepEqual(
      kernels,
      kernels.toSorted((a, b) => b.milliseconds - a.milliseconds),
    );
  });

  it('goes on where the data of a model begins again', async () => {
    const { results } = await bench('train', '--model', 'mnist', '--batch', '2900', '--warm-up', '1', '--steps', '1');
    assert.ok((results[0] as Row).stepSeconds > 0);
  });

  it('refuses in one sentence what it cannot do', async function () {
    this.timeout(30_000);
    await refused(['train'], /--model: one of mnist, .*resnet50 is needed/);
    await refused(['train', '--model', 'lenet'], /--model lenet/);
    await refused(['train', '--model', 'alexnet', '--image-size', '20'], /imageSize.*57/);
    await refused(['train', '--model', 'mnist', '--image-size', '20'], /one size/);
    await refused(['train', ...small, '--engine', 'abacus'], /one of wasm, native, stock/);
    await refused(['train', ...small, '--device', 'gpu'], /wasm computes on the CPU/);
    await refused(['train', ...small, '--engine', 'native', '--precision', 'tf32'], /tf32 is for GPUs/);
    await refused(['train', ...small, '--engine', 'stock-node', '--hand-over'], /no exchange/);
    await refused(['train', ...small, '--engine', 'stock', '--profile'], /nobody marks/);
    await refused(['train', ...small, '--engine', 'stock', '--resident-batch'], /new batch every step/);
    await refused(['train', '--model', 'vgg16', '--width', '0.125', '--batch', '512'], /GiB.*smaller --batch/);
  });
});

describe('bench memory --plan-only', () => {
  it('plans a step and runs nothing', async () => {
    const { results } = await bench('memory', '--model', 'alexnet', '--width', '0.125', '--plan-only');
    const [result] = results as [Row];
    assert.ok((result['stockPeakBytes'] as number) > (result['plannedPeakBytes'] as number));
    assert.deepEqual([result['ledgerPeakBytes'], result['predictionExact']], [null, null]);
  });
});
