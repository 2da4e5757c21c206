import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  encodeWorkerConfig,
  finalReport as finalReportSchema,
  parseWorkerConfig,
  type WorkerConfig,
  workerReport as workerReportSchema,
} from '@hayate/crds/worker-config.ts';
import type { Built } from '../compute/messages.ts';
import { type DeviceMemory, hostFloat32 } from '../engine/engine.ts';
import type { Reuse } from '../memory/measured-reuse.ts';
import { serveTelemetry, type TelemetryOptions, type TelemetryServer } from './http.ts';
import { createMetrics } from './metrics.ts';
import { beginRun, finalReport, stepSeconds, withStep, workerReport } from './report.ts';
import { writeReport } from './write-report.ts';

const host = '127.0.7.2';

function config(): WorkerConfig {
  const document = {
    job: { uid: 'u', namespace: 'n', name: 'j', attempt: 2 },
    rank: 0,
    worldSize: 2,
    peers: ['a:29600', 'b:29600'],
    device: 'cpu',
    training: {
      program: { builtin: 'mnist' },
      globalBatchSize: 64,
      steps: 10,
      seed: 1,
      parameters: {},
      precision: 'Float32',
    },
    communication: { order: 'Priority', algorithm: 'Auto', port: 29_600, timeoutSeconds: 5 },
    memory: { recycling: true },
    checkpoint: { everySteps: 5, keep: 2, directory: 'checkpoints' },
    startupSeconds: 5,
  } satisfies Partial<WorkerConfig>;
  const parsed = parseWorkerConfig(encodeWorkerConfig(document));
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problems.join());
  return parsed.config;
}

const built: Built = {
  kind: 'built',
  buckets: [],
  initial: { step: 0, tensors: [] },
  planHash: '',
  predictedPeakBytes: 10,
  stockPeakBytes: 20,
  engine: 'native',
  layers: 1,
  parameters: 1,
  choices: [],
};

const step = (n: number, seconds: number, loss?: number) => ({
  kind: 'step' as const,
  step: n,
  loss,
  seconds,
  exposedSeconds: seconds / 4,
  measuredPeakBytes: 100 * n,
});

describe('reports', () => {
  it('says on /status what the operator can parse, at the start and under way', () => {
    const begun = beginRun(config(), 'wasm', hostFloat32);
    assert.deepEqual(workerReport(begun), workerReportSchema.parse(workerReport(begun)));
    const run = withStep(withStep(begun, step(1, 0.5, 2)), step(2, 1.5, Number.NaN));
    const report = workerReportSchema.parse(JSON.parse(JSON.stringify(workerReport(run))));
    assert.equal(report.step, 2);
    assert.equal(report.stepSeconds, 1);
    assert.equal(report.samplesPerSecond, 64);
    assert.equal(report.exposedCommunicationSeconds, 0.25);
    assert.equal(report.loss, undefined);
  });

  it('takes rates over the newest 20 steps', () => {
    let run = beginRun(config(), 'wasm', hostFloat32);
    for (let n = 1; n <= 40; n += 1) run = withStep(run, step(n, n <= 20 ? 100 : 1));
    assert.equal(stepSeconds(run), 1);
    assert.equal(run.exposedSeconds, 20 * 25 + 20 * 0.25);
  });

  it('keeps what the allocator of a GPU said last', () => {
    const deviceMemory = { inUse: 5, peak: 12, limit: 99, largest: 4, reserved: 20 };
    const run = withStep(beginRun(config(), 'native', { device: 'gpu', precision: 'tf32' }), {
      ...step(1, 1),
      deviceMemory,
    });
    const report = finalReportSchema.parse(
      finalReport(withStep(run, step(2, 1)), { seconds: 3, bytesByCollective: {} }),
    );
    assert.deepEqual([report.device, report.precision, report.memory.devicePeakBytes], ['gpu', 'tf32', 12]);
    assert.equal(workerReport({ ...run, built }).memory?.deviceBytes, 12);
  });

  it('writes the final report whole', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'hayate-report-'));
    try {
      const report = finalReport(withStep(beginRun(config(), 'wasm', hostFloat32), step(10, 1, 0.5)), {
        seconds: 3,
        bytesByCollective: { 'gather-sum': 12 },
      });
      const file = await writeReport(directory, report);
      assert.deepEqual(finalReportSchema.parse(JSON.parse(readFileSync(file, 'utf8'))), report);
      assert.deepEqual(readdirSync(path.join(directory, 'reports')), ['0.json']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('names the directory when the report cannot be written', async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'hayate-report-')), 'file');
    writeFileSync(file, '');
    const report = finalReport(beginRun(config(), 'wasm', hostFloat32), { seconds: 3, bytesByCollective: {} });
    await assert.rejects(writeReport(file, report), {
      name: 'StorageError',
      message: new RegExp(`could not write the report of rank 0 in ${file}/reports: ENOTDIR`),
    });
    rmSync(path.dirname(file), { recursive: true });
  });
});

describe('telemetry server', () => {
  let server: TelemetryServer;
  let ready = false;
  let device: DeviceMemory | undefined;
  let reuse: Reuse | undefined;
  const metrics = createMetrics({
    engine: { engine: 'native', device: 'gpu', precision: 'tf32' },
    bytesByCollective: () => Promise.resolve({ 'gather-sum': 5, 'split-sum': 7 }),
    memory: () => ({ predictedBytes: 10, measuredBytes: 11, device, reuse }),
  });
  const options: TelemetryOptions = {
    host,
    port: 0,
    metrics: metrics.render,
    ready: () => ready,
    status: () => workerReport(beginRun(config(), 'wasm', hostFloat32)),
  };
  before(async () => {
    server = await serveTelemetry(options);
  });
  after(async () => await server.close());

  const get = async (url: string, init: RequestInit = {}) => {
    const response = await fetch(`http://${host}:${server.port}${url}`, init);
    return { status: response.status, text: await response.text() };
  };

  it('is ready when training has started, and healthy before', async () => {
    assert.equal((await get('/healthz')).status, 200);
    assert.equal((await get('/readyz')).status, 503);
    ready = true;
    assert.equal((await get('/readyz?verbose')).status, 200);
  });

  it('serves the report of rank 0, and of no other rank', async () => {
    assert.equal(workerReportSchema.parse(JSON.parse((await get('/status')).text)).job.attempt, 2);
    const other = await serveTelemetry({ ...options, status: undefined });
    const response = await fetch(`http://${host}:${other.port}/status`);
    assert.equal(response.status, 404);
    await other.close();
  });

  it('takes no order from anybody', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) assert.equal((await get('/status', { method })).status, 405);
    assert.equal((await get('/quit')).status, 404);
  });

  it('serves metrics of the names and units that Prometheus expects', async () => {
    metrics.step(step(3, 0.02, 1.5));
    const once = (await get('/metrics')).text;
    const { text } = await get('/metrics');
    const has = (line: string) => assert.ok(text.split('\n').includes(line), `${line} not in\n${text}`);
    has('hayate_communication_bytes_total{collective="split-sum"} 7');
    has('hayate_memory_peak_bytes{kind="predicted"} 10');
    has('hayate_memory_peak_bytes{kind="measured"} 11');
    has('hayate_engine_info{engine="native",device="gpu",precision="tf32"} 1');
    has('hayate_step 3');
    has('hayate_loss 1.5');
    has('hayate_step_seconds_bucket{le="0.025"} 1');
    has('hayate_exposed_communication_seconds_sum 0.005');
    const cpu = (of: string) => Number(/^process_cpu_seconds_total (.+)$/m.exec(of)?.[1]);
    assert.ok(cpu(text) >= cpu(once) && cpu(text) < 1000);
    for (const [, name, kind] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      assert.equal(name?.endsWith('_total'), kind === 'counter', `${name} is a ${kind}`);
      assert.ok(new RegExp(`^# HELP ${name} \\S`, 'm').test(text), `${name} has no help`);
    }
  });

  it('says what a GPU holds where there is one, and nothing of it elsewhere', async () => {
    assert.doesNotMatch((await get('/metrics')).text, /kind="device"|^hayate_device_memory_limit_bytes /m);
    device = { inUse: 5, peak: 12, limit: 99, largest: 4, reserved: 20 };
    const { text } = await get('/metrics');
    assert.match(text, /^hayate_memory_peak_bytes\{kind="device"\} 12$/m);
    assert.match(text, /^hayate_device_memory_limit_bytes 99$/m);
  });

  it('says how much memory a step reuses once a step was watched', async () => {
    assert.doesNotMatch((await get('/metrics')).text, /^hayate_memory_reuse_bytes/m);
    const share = { plannedBytes: 30, hitBytes: 20, buffers: 2 };
    reuse = { ...share, large: share, misses: [] };
    const { text } = await get('/metrics');
    assert.match(text, /^hayate_memory_reuse_bytes\{kind="planned"\} 30$/m);
    assert.match(text, /^hayate_memory_reuse_bytes\{kind="measured"\} 20$/m);
  });

  it('names the port that another program holds', async () => {
    await assert.rejects(serveTelemetry({ ...options, port: server.port }), {
      code: 'portInUse',
      message: `port ${server.port} on ${host} is in use by another program; telemetry needs it: end the other program or use another address`,
    });
  });
});
