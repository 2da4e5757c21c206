import assert from 'node:assert/strict';
import { KubeClient } from './client.ts';
import { systemClock } from './clock.ts';
import type { KubeObject } from './object.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import { nextState } from './reflector-state.ts';
import { refuse, TestApi } from './test-api.ts';

const things = { group: '', version: 'v1', plural: 'things' };
const path = (name: string) => `/api/v1/namespaces/n/things/${name}`;

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadline) assert.fail(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('Reflector', () => {
  let api: TestApi;
  let client: KubeClient;
  let reflector: Reflector<KubeObject>;
  let errors: unknown[];
  let seen: string[];

  const open = async (options: Partial<ReflectorOptions<KubeObject>> = {}, clock = quick) => {
    reflector = new Reflector({
      client,
      resource: things,
      namespace: undefined,
      clock,
      random: () => 0.5,
      onError: (error) => errors.push(error),
      ...options,
    });
    reflector.onChange((change) => seen.push(`${change.kind} ${change.object.metadata.name}`));
    reflector.start();
    await reflector.waitForSync();
    await until('the watch', () => api.watches === 1);
  };
  /** Delays of the reflector shortened a hundred times, so that tests of backoff take no time. */
  const quick = {
    nowMs: () => systemClock.nowMs(),
    after: (delayMs: number, run: () => void) => systemClock.after(delayMs / 100, run),
  };
  const count = (verb: string) => api.requests.filter((request) => request.startsWith(verb)).length;

  beforeEach(async () => {
    api = new TestApi();
    const kubeconfig = await api.listen();
    client = new KubeClient({ kubeconfig, clock: quick, random: () => 0.5 });
    errors = [];
    seen = [];
  });

  afterEach(async () => {
    await reflector.close();
    await client.close();
    await api.close();
    assert.equal(reflector.state.kind, 'Closed');
  });

  it('lists, then follows additions, changes and deletions', async () => {
    api.put(path('a'), { metadata: {} });
    await open();
    api.put(path('b'), { metadata: {} });
    api.put(path('a'), { metadata: { labels: { x: 'y' } } });
    api.remove(path('b'));
    await until('all events', () => seen.length === 4);
    assert.deepEqual(seen, ['add a', 'add b', 'update a', 'delete b']);
    assert.deepEqual(
      reflector.store.list().map((thing) => thing.metadata.labels),
      [{ x: 'y' }],
    );
  });

  it('goes on after a reset connection from the version it had, without another list', async () => {
    await open();
    api.endWatches('reset');
    await until('another watch', () => count('WATCH') === 2 && api.watches === 1);
    api.put(path('a'), { metadata: {} });
    await until('the event', () => seen.length === 1);
    assert.equal(count('GET'), 1);
  });

  it('lists again on 410, in the stream or as an answer, and finds what was deleted meanwhile', async () => {
    api.put(path('a'), { metadata: {} });
    await open();
    api.fault = ({ method }, response) => {
      if (method !== 'WATCH') return false;
      api.fault = undefined;
      refuse(response, 410, 'Expired', 'too old');
      return true;
    };
    api.say(
      'things',
      `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })}\n`,
    );
    api.remove(path('a'));
    await until('the deletion', () => seen.includes('delete a'));
    await until('a watch', () => api.watches === 1);
    assert.deepEqual(errors, []);
  });

  it('reports a name deleted and made again in a gap as a deletion and an addition', async () => {
    api.put(path('a'), { metadata: { uid: 'first' } });
    await open();
    let pending = true;
    api.fault = ({ method }, response) => {
      if (method !== 'WATCH') return false;
      if (pending) refuse(response, 410, 'Expired', 'too old');
      return pending;
    };
    api.endWatches('reset');
    await until('the list', () => count('GET') >= 2);
    api.remove(path('a'));
    api.put(path('a'), { metadata: { uid: 'second' } });
    await until('both changes', () => seen.length === 3);
    pending = false;
    assert.deepEqual(seen, ['add a', 'delete a', 'add a']);
    assert.equal(reflector.store.get('n/a')?.metadata.uid, 'second');
  });

  it('lists again after a line it cannot read, or one cut in half', async () => {
    await open();
    api.say('things', '{"type":"ADDED","obj\n');
    await until('another list', () => count('GET') === 2 && api.watches === 1);
    api.say('things', '{"type":"ADDED"');
    api.endWatches('clean');
    await until('a third list', () => count('GET') === 3 && api.watches === 1);
    assert.equal(errors.length, 2);
  });

  it('waits longer and longer while the server refuses, as long as the server asks, and recovers', async () => {
    await open();
    let refusals = 0;
    api.fault = ({ method }, response) => {
      if (method !== 'WATCH' || refusals >= 4) return false;
      refusals += 1;
      if (refusals === 1) response.setHeader('retry-after', '1');
      refuse(response, refusals % 2 === 0 ? 503 : 429, 'ServiceUnavailable', 'later');
      return true;
    };
    api.endWatches('reset');
    await until('the recovery', () => refusals === 4 && api.watches === 1);
    api.put(path('a'), { metadata: {} });
    await until('the event', () => seen.length === 1);
    assert.equal(errors.length, 5);
  });

  it('does not ask in a tight loop when watches end at once', async () => {
    await open({}, systemClock);
    api.fault = ({ method }, response) => {
      if (method === 'WATCH') response.end();
      return method === 'WATCH';
    };
    api.endWatches('clean');
    await until('the guard', () => reflector.state.kind === 'Backoff');
    const before = count('WATCH');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(count('WATCH') - before <= 1, `${count('WATCH') - before} watches in 0.1 s`);
  });

  it('takes a silent watch for dead', async () => {
    await open({ idleMs: 50 });
    await until('another watch', () => count('WATCH') >= 2);
    assert.equal(count('GET'), 1);
  });

  it('moves on with bookmarks, so that a quiet kind does not grow too old', async () => {
    await open();
    const versionOf = () => (reflector.state.kind === 'Watching' ? Number(reflector.state.resourceVersion) : 0);
    const before = versionOf();
    api.bookmark('things');
    await until('the bookmark', () => versionOf() > before);
    assert.deepEqual(seen, []);
  });

  it('goes on when a handler throws and whoever is told of it too, and calls the others', async () => {
    api.put(path('a'), { metadata: {} });
    const options = { client, resource: things, namespace: undefined, clock: quick, random: () => 0.5 };
    const onError = (error: unknown) => {
      errors.push(error);
      throw new Error('bad listener');
    };
    reflector = new Reflector({ ...options, onError });
    reflector.onChange(() => {
      throw new Error('bad handler');
    });
    reflector.onChange((change) => seen.push(change.object.metadata.name));
    reflector.start();
    await reflector.waitForSync();
    await until('the watch', () => api.watches === 1);
    api.put(path('b'), { metadata: {} });
    await until('both', () => seen.length === 2);
    assert.equal(errors.length, 2);
  });

  it('opens no watch when it is closed during its list', async () => {
    let release = () => {};
    api.fault = ({ method }, response) => {
      if (method !== 'GET') return false;
      release = () =>
        response.end('{"kind":"ThingList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}');
      return true;
    };
    const options = { client, resource: things, namespace: undefined, clock: quick, random: () => 0.5 };
    reflector = new Reflector({ ...options, onError: (error) => errors.push(error) });
    reflector.start();
    await until('the list', () => count('GET') === 1);
    await reflector.close();
    release();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count('WATCH'), 0);
    assert.deepEqual(errors, []);
  });
});

describe('nextState', () => {
  it('stays closed', () => {
    assert.deepEqual(nextState({ kind: 'Closed' }, { kind: 'started' }), { kind: 'Closed' });
  });

  it('lists again at once for the first 410 and backs off when 410 follows 410', () => {
    const gone = { kind: 'failed', relist: true, retryAfterMs: undefined } as const;
    const watching = { kind: 'Watching', resourceVersion: '5', failures: 0 } as const;
    const listing = nextState(watching, gone);
    assert.deepEqual(listing, { kind: 'Listing', failures: 1 });
    const again = nextState(listing, { kind: 'listed', resourceVersion: '6' });
    assert.deepEqual(nextState(again, gone), {
      kind: 'Backoff',
      resourceVersion: undefined,
      failures: 2,
      delayMs: 400,
    });
  });

  it('never waits longer than 30 s by itself', () => {
    const state = { kind: 'Watching', resourceVersion: '5', failures: 60 } as const;
    const next = nextState(state, { kind: 'failed', relist: false, retryAfterMs: undefined });
    assert.equal(next.kind === 'Backoff' && next.delayMs, 30_000);
  });
});
