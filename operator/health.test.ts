import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveHealth } from './health.ts';
import { OperatorMetrics } from './metrics.ts';

describe('serveHealth', () => {
  let server: Server;
  let isReady = false;
  const metrics = new OperatorMetrics();

  before(async () => {
    server = await serveHealth({
      host: '127.0.0.1',
      port: 0,
      isReady: () => isReady,
      metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    });
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    return { code: answer.status, text: await answer.text() };
  };

  it('is healthy at once and ready once the caches are filled', async () => {
    assert.equal((await get('/healthz')).code, 200);
    assert.equal((await get('/readyz')).code, 503);
    isReady = true;
    assert.equal((await get('/readyz?verbose')).code, 200);
    assert.equal((await get('/other')).code, 404);
  });

  it('counts passes, queue and requests', async () => {
    const observer = metrics.observer('trainingjob', () => {});
    observer.added();
    observer.reconciled('success', 0.02);
    observer.failed('n/vgg', new Error('x'));
    metrics.request('GET', 200);
    metrics.round('pods', 'watch');
    metrics.watchQueue('trainingjob', () => 3);
    const { text } = await get('/metrics');
    for (const line of [
      'hayate_controller_reconcile_total{controller="trainingjob",result="success"} 1',
      'hayate_controller_reconcile_errors_total{controller="trainingjob"} 1',
      'hayate_workqueue_adds_total{name="trainingjob"} 1',
      'hayate_workqueue_depth{name="trainingjob"} 3',
      'hayate_rest_client_requests_total{method="GET",code="200"} 1',
      'hayate_reflector_rounds_total{resource="pods",kind="watch"} 1',
    ]) {
      assert.ok(text.includes(line), `${line} in:\n${text}`);
    }
  });
});
