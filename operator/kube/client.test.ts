import assert from 'node:assert/strict';
import { KubeClient } from './client.ts';
import { systemClock } from './clock.ts';
import { ApiError, isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import type { KubeObject } from './object.ts';
import { refuse, TestApi } from './test-api.ts';

const things = { group: '', version: 'v1', plural: 'things' };

describe('KubeClient', () => {
  let api: TestApi;
  let client: KubeClient;
  const quick = {
    nowMs: () => systemClock.nowMs(),
    after: (ms: number, run: () => void) => systemClock.after(ms / 100, run),
  };

  beforeEach(async () => {
    api = new TestApi();
    client = new KubeClient({ kubeconfig: await api.listen(), clock: quick, random: () => 0.5 });
  });

  afterEach(async () => {
    await client.close();
    await api.close();
  });

  const thing: KubeObject & { spec: object } = {
    metadata: { name: 'a', namespace: 'n' },
    spec: { 'a field nobody knows': [1, { deep: null }] },
  };

  it('keeps the path prefix of the server and every field of an object', async () => {
    const made = await client.create(things, thing);
    assert.deepEqual(made.spec, thing.spec);
    assert.deepEqual(api.requests, ['POST /api/v1/namespaces/n/things']);
  });

  it('speaks of what went wrong in words that code can ask for', async () => {
    await assert.rejects(client.get(things, 'n', 'a'), isNotFound);
    const made = await client.create(things, thing);
    await assert.rejects(client.create(things, thing), isAlreadyExists);
    const stale = { metadata: { resourceVersion: '1' }, spec: {} };
    await assert.rejects(client.mergePatch(things, 'n', 'a', stale), (e) => isConflict(e) && (e as ApiError).retryable);
    const fresh = { metadata: { resourceVersion: made.metadata.resourceVersion }, status: { x: 1 } };
    const patched = await client.patchStatus(things, 'n', 'a', fresh);
    assert.deepEqual((patched as { status?: unknown }).status, { x: 1 });
  });

  it('sends the uid along with a deletion', async () => {
    let body: unknown;
    api.fault = (request) => {
      if (request.method === 'DELETE') ({ body } = request);
      return false;
    };
    await client.create(things, thing);
    await client.delete(things, 'n', 'a', { uid: 'u-1', gracePeriodSeconds: 0 });
    assert.deepEqual((body as { preconditions: unknown }).preconditions, { uid: 'u-1' });
    assert.equal((body as { gracePeriodSeconds: unknown }).gracePeriodSeconds, 0);
  });

  const failing = (times: number, how: 'reset' | 503 | 429) => {
    let left = times;
    api.fault = (_request, response) => {
      if (left-- <= 0) return false;
      if (how === 'reset') response.socket?.resetAndDestroy();
      else {
        response.setHeader('retry-after', '1');
        refuse(response, how, 'Later', 'later');
      }
      return true;
    };
  };

  it('tries reads again after 429, 503 and a reset connection', async () => {
    await client.create(things, thing);
    for (const how of ['reset', 503, 429] as const) {
      failing(2, how);
      assert.equal((await client.get(things, 'n', 'a')).metadata.name, 'a');
    }
  });

  it('gives up after three tries, with how long the server asked to wait', async () => {
    failing(9, 503);
    await assert.rejects(client.get(things, 'n', 'a'), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.code, error.retryAfterMs, error.retryable], [503, 1000, true]);
      return true;
    });
    assert.equal(api.requests.length, 3);
  });

  it('never repeats a write that may have been carried out', async () => {
    failing(1, 'reset');
    await assert.rejects(client.create(things, thing), { code: 0, reason: 'ConnectionReset' });
    failing(1, 503);
    await assert.rejects(client.mergePatch(things, 'n', 'a', {}), { code: 503 });
    assert.equal(api.requests.length, 2);
  });

  it('says so when nobody listens', async () => {
    await api.close();
    await assert.rejects(client.get(things, 'n', 'a'), /is the API server up\?/);
  });

  it('refuses a kubeconfig without a cluster, with what to do', () => {
    const kubeconfig = 'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n';
    assert.throws(() => new KubeClient({ kubeconfig, clock: quick, random: () => 0 }), /set current-context/);
  });
});
