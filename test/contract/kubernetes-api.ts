import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

/** An answer, parsed. */
interface Answer {
  code: number;
  headers: Headers;
  body: Body;
}

interface Meta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  continue?: string;
  remainingItemCount?: number;
  deletionTimestamp?: string;
  finalizers?: string[];
  ownerReferences?: { name: string }[];
  annotations?: Record<string, string>;
}

interface Body {
  kind?: string;
  metadata: Meta;
  items: Body[];
  data?: Record<string, string>;
  spec?: Record<string, unknown>;
  status?: unknown;
  reason?: string;
  message?: string;
  code?: number;
}

interface WatchEvent {
  type: string;
  object: Body;
}

/**
 * What a controller relies on, as tests against the server at `base()`: the same suite runs on the embedded server and,
 * through `kubectl proxy`, on a real one with the custom resource definition installed.
 */
export function describeKubernetesApi(name: string, base: () => string): void {
  const call = async (method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> => {
    const response = await fetch(`${base()}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': type } }),
    });
    return { code: response.status, headers: response.headers, body: (await response.json()) as Body };
  };
  const merge = (path: string, body: object): Promise<Answer> =>
    call('PATCH', path, body, 'application/merge-patch+json');

  /** Reads a watch until `enough` holds or the server ends it. */
  const watch = async (path: string, enough: (events: WatchEvent[]) => boolean): Promise<WatchEvent[]> => {
    const events: WatchEvent[] = [];
    const stop = new AbortController();
    const response = await fetch(`${base()}${path}`, { signal: stop.signal });
    assert.equal(response.status, 200);
    let rest = '';
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        events.push(...lines.map((line) => JSON.parse(line) as WatchEvent));
        if (enough(events)) break;
      }
    } finally {
      stop.abort();
    }
    return events;
  };

  describe(name, () => {
    const namespace = `contract-${randomBytes(4).toString('hex')}`;
    const maps = `/api/v1/namespaces/${namespace}/configmaps`;
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const jobs = `/apis/hayate.dev/v1alpha1/namespaces/${namespace}/trainingjobs`;
    const configMap = (name: string, extra: object = {}): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, ...extra },
      data: { a: '1' },
    });
    const job = (name: string): object => ({
      apiVersion: 'hayate.dev/v1alpha1',
      kind: 'TrainingJob',
      metadata: { name },
      spec: {
        suspend: true,
        workers: { replicas: 2 },
        training: { program: { builtin: 'mnist' }, globalBatchSize: 64, steps: 10 },
      },
    });
    /** Waits until a GET answers 404: on a real server some deletions take a moment. */
    const untilGone = async (path: string): Promise<void> => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      const collection = path.slice(0, path.lastIndexOf('/'));
      const { body } = await call('GET', `${collection}?fieldSelector=metadata.name%3D${name}`);
      if (body.items.length === 0) return;
      const query = `watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3D${name}&resourceVersion=${body.metadata.resourceVersion}`;
      const events = await watch(`${collection}?${query}`, (seen) => seen.some((event) => event.type === 'DELETED'));
      assert.equal(events.at(-1)?.type, 'DELETED', `${name} is still there`);
    };

    before(async () => {
      const { code } = await call('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      });
      assert.equal(code, 201);
    });
    after(async () => {
      await call('DELETE', `/api/v1/namespaces/${namespace}`);
    });

    it('creates, reads and refuses a second object of the same name', async () => {
      const created = await call('POST', maps, configMap('one'));
      assert.equal(created.code, 201);
      assert.match(created.body.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(created.body.metadata.resourceVersion, /^\d+$/);
      const read = await call('GET', `${maps}/one`);
      assert.deepEqual(read.body, created.body);
      const again = await call('POST', maps, configMap('one'));
      assert.equal(again.code, 409);
      assert.equal(again.body.reason, 'AlreadyExists');
      assert.equal(again.body.message, 'configmaps "one" already exists');
      const missing = await call('GET', `${maps}/other`);
      assert.equal(missing.code, 404);
      assert.equal(missing.body.reason, 'NotFound');
    });

    it('makes up a name from generateName', async () => {
      const { code, body } = await call('POST', maps, { metadata: { generateName: 'made-' }, data: {} });
      assert.equal(code, 201);
      assert.match(body.metadata.name, /^made-[a-z0-9]{5}$/);
    });

    it('pages a list without losing or repeating an object while others are written', async () => {
      const label = { labels: { page: 'yes' } };
      for (const letter of 'abcde') await call('POST', maps, configMap(`page-${letter}`, label));
      const first = await call('GET', `${maps}?limit=2&labelSelector=page%3Dyes`);
      assert.deepEqual(
        first.body.items.map((item) => item.metadata.name),
        ['page-a', 'page-b'],
      );
      await call('DELETE', `${maps}/page-c`);
      await call('POST', maps, configMap('page-bb', label));
      const names: string[] = [];
      let token = first.body.metadata.continue;
      while (token !== undefined && token !== '') {
        const query = `limit=2&labelSelector=page%3Dyes&continue=${encodeURIComponent(token)}`;
        const { body } = await call('GET', `${maps}?${query}`);
        assert.equal(body.metadata.resourceVersion, first.body.metadata.resourceVersion);
        names.push(...body.items.map((item) => item.metadata.name));
        token = body.metadata.continue;
      }
      assert.deepEqual(names, ['page-c', 'page-d', 'page-e'], 'all pages show the version of the first');
    });

    it('watches from a version: every change once, in order, a deletion under a new version', async () => {
      const { body: list } = await call('GET', maps);
      const created = await call('POST', maps, configMap('seen'));
      const changed = await merge(`${maps}/seen`, { data: { b: '2' } });
      await call('DELETE', `${maps}/seen`);
      const query = `watch=true&resourceVersion=${list.metadata.resourceVersion}&fieldSelector=metadata.name%3Dseen`;
      const events = await watch(`${maps}?${query}`, (seen) => seen.length >= 3);
      assert.deepEqual(
        events.map((event) => event.type),
        ['ADDED', 'MODIFIED', 'DELETED'],
      );
      const versions = events.map((event) => event.object.metadata.resourceVersion);
      assert.deepEqual(versions.slice(0, 2), [
        created.body.metadata.resourceVersion,
        changed.body.metadata.resourceVersion,
      ]);
      assert.ok(!versions.slice(0, 2).includes(versions[2]!), 'the deletion has a version of its own');
    });

    it('shows an object that leaves a selection as deleted, and one that enters as added', async () => {
      const { body: list } = await call('GET', maps);
      await call('POST', maps, configMap('mover', { labels: { here: 'no' } }));
      await merge(`${maps}/mover`, { metadata: { labels: { here: 'yes' } } });
      await merge(`${maps}/mover`, { data: { c: '3' } });
      await merge(`${maps}/mover`, { metadata: { labels: { here: 'no' } } });
      const query = `watch=true&resourceVersion=${list.metadata.resourceVersion}&labelSelector=here%3Dyes`;
      const events = await watch(`${maps}?${query}`, (seen) => seen.length >= 3);
      assert.deepEqual(
        events.map((event) => event.type),
        ['ADDED', 'MODIFIED', 'DELETED'],
      );
    });

    it('sends the initial objects and marks their end with a bookmark', async () => {
      const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
      const events = await watch(`${maps}?${query}`, (seen) => seen.some((event) => event.type === 'BOOKMARK'));
      const bookmark = events.at(-1);
      assert.equal(bookmark?.type, 'BOOKMARK');
      assert.equal(bookmark.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
      assert.equal(bookmark.object.kind, 'ConfigMap');
      assert.match(bookmark.object.metadata.resourceVersion, /^\d+$/);
      const added = events.filter((event) => event.type === 'ADDED').map((event) => event.object.metadata.name);
      assert.ok(added.includes('one'));
    });

    it('answers a watch from a version that is too old with one ERROR line, 410', async () => {
      const events = await watch(`${maps}?watch=true&resourceVersion=1`, () => false);
      assert.deepEqual(
        events.map((event) => [event.type, event.object.code, event.object.reason]),
        [['ERROR', 410, 'Expired']],
      );
    });

    it('ends a watch after timeoutSeconds', async () => {
      const { body: list } = await call('GET', maps);
      const query = `watch=true&timeoutSeconds=1&resourceVersion=${list.metadata.resourceVersion}&fieldSelector=metadata.name%3Dnone`;
      assert.deepEqual(await watch(`${maps}?${query}`, () => false), []);
    });

    it('refuses a write that rests on an old version with 409', async () => {
      const { body: old } = await call('POST', maps, configMap('locked'));
      await merge(`${maps}/locked`, { data: { a: '2' } });
      const put = await call('PUT', `${maps}/locked`, old);
      assert.equal(put.code, 409);
      assert.equal(put.body.reason, 'Conflict');
      const { resourceVersion } = old.metadata;
      const patch = await merge(`${maps}/locked`, { metadata: { resourceVersion }, data: { a: '3' } });
      assert.equal(patch.code, 409);
    });

    it('keeps the version when a write changes nothing', async () => {
      const { body: made } = await call('POST', maps, configMap('quiet'));
      const { body: same } = await merge(`${maps}/quiet`, { data: { a: '1' } });
      assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
    });

    it('counts generations for changes of the spec only, and keeps spec and status apart', async () => {
      const { body: made } = await call('POST', jobs, { ...job('halves'), status: { phase: 'Failed' } });
      assert.equal(made.metadata.generation, 1);
      assert.equal(made.status, undefined, 'a status is not created');
      const status = await merge(`${jobs}/halves/status`, { spec: { suspend: false }, status: { phase: 'Pending' } });
      assert.deepEqual(status.body.status, { phase: 'Pending' });
      assert.equal(status.body.spec?.['suspend'], true);
      assert.equal(status.body.metadata.generation, 1);
      const labelled = await merge(`${jobs}/halves`, { metadata: { labels: { a: 'b' } } });
      assert.equal(labelled.body.metadata.generation, 1);
      const spec = await merge(`${jobs}/halves`, { spec: { suspend: false }, status: { phase: 'Running' } });
      assert.deepEqual(spec.body.status, { phase: 'Pending' });
      assert.equal(spec.body.metadata.generation, 2);
    });

    it('refuses what the schema refuses, with every cause', async () => {
      const bad = { ...job('bad'), spec: { workers: { replicas: 0 }, training: { steps: 0, globalBatchSize: 64 } } };
      const { code, body } = await call('POST', jobs, bad);
      assert.equal(code, 422);
      assert.equal(body.reason, 'Invalid');
      assert.match(
        body.message ?? '',
        /spec\.workers\.replicas: Invalid value: 0: spec\.workers\.replicas in body should be greater than or equal to 1/,
      );
      assert.match(body.message ?? '', /spec\.training\.program: Required value/);
      assert.match(body.message ?? '', /spec\.training\.steps/);
    });

    it('keeps an object with finalizers until the last one is taken off', async () => {
      await call('POST', maps, configMap('held', { finalizers: ['hayate.dev/a'] }));
      const deleted = await call('DELETE', `${maps}/held`);
      assert.equal(deleted.code, 200);
      assert.ok(deleted.body.metadata.deletionTimestamp);
      const added = await merge(`${maps}/held`, { metadata: { finalizers: ['hayate.dev/a', 'hayate.dev/b'] } });
      assert.equal(added.code, 422);
      const last = await merge(`${maps}/held`, { metadata: { finalizers: null } });
      assert.equal(last.code, 200);
      assert.equal((await call('GET', `${maps}/held`)).code, 404);
    });

    it('deletes dependents with their owner, and keeps one that has another', async () => {
      const { body: a } = await call('POST', maps, configMap('owner-a'));
      const { body: b } = await call('POST', maps, configMap('owner-b'));
      const reference = (owner: Body): object => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: owner.metadata.name,
        uid: owner.metadata.uid,
      });
      await call('POST', maps, configMap('of-a', { ownerReferences: [reference(a)] }));
      await call('POST', maps, configMap('of-both', { ownerReferences: [reference(a), reference(b)] }));
      await call('DELETE', `${maps}/owner-a`);
      await untilGone(`${maps}/of-a`);
      const query = `watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3Dof-both`;
      const events = await watch(
        `${maps}?${query}`,
        (seen) => seen.at(-1)?.object.metadata.ownerReferences?.length === 1,
      );
      assert.deepEqual(
        events.at(-1)?.object.metadata.ownerReferences?.map((owner) => owner.name),
        ['owner-b'],
      );
    });

    it('honours the preconditions of a deletion', async () => {
      const { body } = await call('POST', maps, configMap('exact'));
      const other = await call('DELETE', `${maps}/exact`, { preconditions: { uid: 'another' } });
      assert.equal(other.code, 409);
      const { uid, resourceVersion } = body.metadata;
      const right = await call('DELETE', `${maps}/exact`, { preconditions: { uid, resourceVersion } });
      assert.equal(right.code, 200);
    });

    it('writes the status of a pod, and deletes a pod without a node at once', async () => {
      const pod = {
        metadata: { name: 'unbound' },
        spec: {
          nodeSelector: { 'hayate.dev/contract': 'nowhere' },
          automountServiceAccountToken: false,
          containers: [{ name: 'c', image: 'none' }],
        },
      };
      const created = await call('POST', pods, pod);
      assert.equal(created.code, 201);
      assert.equal((created.body.status as { phase: string }).phase, 'Pending');
      const status = await merge(`${pods}/unbound/status`, { status: { message: 'waits' } });
      assert.equal((status.body.status as { message: string }).message, 'waits');
      assert.equal((await call('DELETE', `${pods}/unbound`)).code, 200);
      assert.equal((await call('GET', `${pods}/unbound`)).code, 404);
    });

    it('gives a pod its node through a binding, once, and not through the pod', async () => {
      const pod = {
        metadata: { name: 'bound' },
        spec: { automountServiceAccountToken: false, containers: [{ name: 'c', image: 'none' }] },
      };
      assert.equal((await call('POST', pods, pod)).code, 201);
      const patched = await merge(`${pods}/bound`, { spec: { nodeName: 'elsewhere' } });
      assert.equal(patched.code, 422);
      assert.match(patched.body.message ?? '', /pod updates may not change fields other than/);
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'bound' },
        target: { apiVersion: 'v1', kind: 'Node', name: 'somewhere' },
      };
      assert.equal((await call('POST', `${pods}/bound/binding`, binding)).code, 201);
      assert.equal((await call('GET', `${pods}/bound`)).body.spec?.['nodeName'], 'somewhere');
      assert.equal((await call('POST', `${pods}/bound/binding`, binding)).code, 409);
      const image = await merge(`${pods}/bound`, { spec: { containers: [{ name: 'c', image: 'other' }] } });
      assert.equal(image.code, 200, image.body.message);
      assert.equal((await call('DELETE', `${pods}/bound`, { gracePeriodSeconds: 0 })).code, 200);
    });

    it('guards a lease by its version, times with six digits', async () => {
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const lease = (renewTime: string, resourceVersion?: string): object => ({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'leader', ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        spec: { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime },
      });
      const made = await call('POST', leases, lease('2026-01-01T00:00:00.000000Z'));
      assert.equal(made.code, 201);
      assert.equal((await call('PUT', `${leases}/leader`, lease('2026-01-01T00:00:01.5Z'))).code, 400);
      const renewed = await call(
        'PUT',
        `${leases}/leader`,
        lease('2026-01-01T00:00:02.000000Z', made.body.metadata.resourceVersion),
      );
      assert.equal(renewed.code, 200);
      const late = await call(
        'PUT',
        `${leases}/leader`,
        lease('2026-01-01T00:00:03.000000Z', made.body.metadata.resourceVersion),
      );
      assert.equal(late.code, 409);
    });

    it('empties a namespace that is deleted, and then removes it', async () => {
      const doomed = `${namespace}-b`;
      await call('POST', '/api/v1/namespaces', { metadata: { name: doomed } });
      await call(
        'POST',
        `/api/v1/namespaces/${doomed}/configmaps`,
        configMap('inside', { finalizers: ['hayate.dev/a'] }),
      );
      await call('DELETE', `/api/v1/namespaces/${doomed}`);
      const refused = await call('POST', `/api/v1/namespaces/${doomed}/configmaps`, configMap('late'));
      assert.equal(refused.code, 403);
      const query = `watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3Dinside`;
      await watch(
        `/api/v1/namespaces/${doomed}/configmaps?${query}`,
        (seen) => seen.at(-1)?.object.metadata.deletionTimestamp !== undefined,
      );
      await merge(`/api/v1/namespaces/${doomed}/configmaps/inside`, { metadata: { finalizers: null } });
      await untilGone(`/api/v1/namespaces/${doomed}`);
    });
  });
}
