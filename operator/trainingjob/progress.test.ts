import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { telemetryPort, type WorkerReport } from '@hayate/crds/worker-config.ts';
import { ManualClock } from '../kube/manual-clock.ts';
import { believe, ReportReader } from './progress.ts';

const report: WorkerReport = { job: { uid: 'u', attempt: 2 }, step: 5, totalSteps: 10, engine: 'wasm' };
const source = { uid: 'u', attempt: 2, address: '127.83.19.7' };

describe('ReportReader', () => {
  let server: Server | undefined;
  let reader: ReportReader | undefined;

  afterEach(async () => {
    reader?.close();
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    server = undefined;
  });

  const serve = async (body: string) => {
    let requests = 0;
    server = createServer((request, response) => {
      requests += 1;
      response.end(request.url === '/status' ? body : '');
    });
    server.listen(telemetryPort, source.address);
    await once(server, 'listening');
    return () => requests;
  };

  const ask = async (clock: ManualClock, reports: string[]) => {
    reader = new ReportReader({ clock, onReport: (key) => reports.push(key) });
    reader.follow('n/vgg', source);
    clock.advance(0);
    // The next question is timed once the answer is in.
    const deadline = performance.now() + 4000;
    while (clock.waitingMs.length === 0) {
      assert.ok(performance.now() < deadline, 'no answer was taken');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  it('asks every 5 s and keeps the newest report after the worker is gone', async () => {
    const requests = await serve(JSON.stringify(report));
    const clock = new ManualClock();
    const reports: string[] = [];
    await ask(clock, reports);
    assert.deepEqual(reports, ['n/vgg']);
    assert.deepEqual(clock.waitingMs, [5000]);
    reader?.follow('n/vgg', source);
    assert.deepEqual(clock.waitingMs, [5000], 'the same source is not asked anew');
    reader?.follow('n/vgg', undefined);
    assert.deepEqual(clock.waitingMs, []);
    assert.deepEqual(reader?.newest('n/vgg'), report);
    reader?.forget('n/vgg');
    assert.equal(reader?.newest('n/vgg'), undefined);
    assert.equal(requests(), 1);
  });

  it('takes nothing from a worker that sends garbage or far too much', async () => {
    for (const body of ['<html>', '{}', `"${'x'.repeat(100_000)}"`]) {
      await serve(body);
      const reports: string[] = [];
      await ask(new ManualClock(), reports);
      assert.deepEqual(reports, []);
      reader?.close();
      server?.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
      server = undefined;
    }
  });

  it('goes on asking when nobody answers yet', async () => {
    const clock = new ManualClock();
    await ask(clock, []);
    assert.deepEqual(clock.waitingMs, [5000]);
  });
});

describe('believe', () => {
  it('takes a report of the job and the attempt that was asked for, and no other', () => {
    assert.deepEqual(believe(report, source), report);
    assert.equal(believe({ ...report, job: { uid: 'other', attempt: 2 } }, source), undefined);
    assert.equal(believe({ ...report, job: { uid: 'u', attempt: 1 } }, source), undefined);
  });

  it('takes no step outside the training', () => {
    assert.equal(believe({ ...report, step: -1 }, source), undefined);
    assert.equal(believe({ ...report, step: 11 }, source), undefined);
  });
});
