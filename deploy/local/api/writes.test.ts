import assert from 'node:assert/strict';
import { type Answer, startTestServer, type TestServer, widget, widgetsPath } from './test-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const maps = '/api/v1/namespaces/default/configmaps';
const container = { name: 'c', image: 'x:1' };
const pod = (name: string, spec: object = {}): object => ({
  metadata: { name },
  spec: { containers: [container], ...spec },
});

describe('writes of the embedded API', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.api.close());
  const post = (path: string, body: unknown, headers?: Record<string, string>): Promise<Answer> =>
    server.call('POST', path, body, headers);
  const managers = (answer: Answer): string[] =>
    answer.body.metadata.managedFields.map((entry: { manager: string; operation: string; subresource?: string }) =>
      [entry.manager, entry.operation, entry.subresource].filter((part) => part !== undefined).join(' '),
    );

  describe('creation', () => {
    it('replaces what only the server may say, fills in defaults and starts at generation 1', async () => {
      const body = {
        ...widget('made', {}, { uid: 'mine', generation: 7, creationTimestamp: '1999-01-01T00:00:00Z' }),
        status: { count: 3 },
      };
      const { code, body: made } = await post(widgetsPath, body);
      assert.equal(code, 201);
      assert.equal(made.metadata.creationTimestamp, '2026-01-02T03:04:05Z');
      assert.notEqual(made.metadata.uid, 'mine');
      assert.equal(made.metadata.generation, 1);
      assert.equal(made.status, undefined);
      assert.deepEqual(made.spec, { color: 'red' });
    });

    it('refuses, in this order, another kind, a foreign namespace, a missing one and a name that breaks the rules', async () => {
      assert.match((await post(widgetsPath, { spec: {} })).body.message, /^Object 'Kind' is missing in /);
      assert.equal((await post(widgetsPath, { ...widget('a'), kind: 'Gadget' })).code, 400);
      assert.equal((await post(widgetsPath, widget('a', {}, { namespace: 'other' }))).code, 400);
      const nowhere = await post(widgetsPath.replace('default', 'nowhere'), widget('a'));
      assert.equal(nowhere.body.message, 'namespaces "nowhere" not found');
      assert.equal((await post(widgetsPath, widget('a', {}, { resourceVersion: '1' }))).code, 400);
      const named = await post(widgetsPath, widget('A_b', {}, { labels: { 'a b': 'c' } }));
      assert.equal(named.code, 422);
      assert.deepEqual(
        named.body.details.causes.map((c: { field: string }) => c.field),
        ['metadata.name', 'metadata.labels'],
      );
      assert.equal((await post(widgetsPath, widget(''))).code, 422);
    });

    it('treats unknown fields as fieldValidation asks', async () => {
      const body = widget('strange', { foo: 1, count: 1 });
      const strict = await post(`${widgetsPath}?fieldValidation=Strict`, body);
      assert.equal(
        strict.body.message,
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.foo"',
      );
      const ignored = await post(`${widgetsPath}?fieldValidation=Ignore&dryRun=All`, body);
      assert.equal(ignored.headers.get('warning'), null);
      const warned = await post(widgetsPath, body);
      assert.equal(warned.headers.get('warning'), String.raw`299 - "unknown field \"spec.foo\""`);
      assert.deepEqual(warned.body.spec, { count: 1, color: 'red' });
      const both = await post(widgetsPath, widget('bad', { foo: 1, count: -1 }));
      assert.equal(both.code, 422);
      assert.match(both.headers.get('warning') ?? '', /unknown field/, 'a refusal carries the warnings too');
    });

    it('tries without storing on dryRun', async () => {
      const dry = await post(`${widgetsPath}?dryRun=All`, widget('dry'));
      assert.equal(dry.code, 201);
      assert.equal((await server.call('GET', `${widgetsPath}/dry`)).code, 404);
      assert.equal((await post(`${widgetsPath}?dryRun=Some`, widget('dry'))).code, 400);
      const kept = await server.call('DELETE', `${widgetsPath}/made`, { dryRun: ['All'] });
      assert.equal(kept.code, 200);
      assert.equal((await server.call('GET', `${widgetsPath}/made`)).code, 200);
    });

    it('reads YAML, and the protobuf that kubectl create sends', async () => {
      const yaml = await post(maps, 'metadata:\n  name: from-yaml\ndata:\n  a: b\n', {
        'Content-Type': 'application/yaml',
      });
      assert.deepEqual(yaml.body.data, { a: 'b' });
      const field = (number: number, bytes: Uint8Array | string): Buffer => {
        const content = Buffer.from(bytes);
        return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
      };
      const secret = Buffer.concat([
        field(1, Buffer.concat([field(1, 'from-protobuf'), field(11, Buffer.concat([field(1, 'l'), field(2, 'v')]))])),
        field(2, Buffer.concat([field(1, 'key'), field(2, Buffer.from([0xff, 0x00]))])),
        field(3, 'Opaque'),
      ]);
      const type = field(1, Buffer.concat([field(1, 'v1'), field(2, 'Secret')]));
      const body = Buffer.concat([Buffer.from('k8s\0'), type, field(2, secret)]);
      const created = await post(maps.replace('configmaps', 'secrets'), body, {
        'Content-Type': 'application/vnd.kubernetes.protobuf',
      });
      assert.equal(created.code, 201, JSON.stringify(created.body));
      assert.deepEqual([created.body.metadata.labels, created.body.data], [{ l: 'v' }, { key: '/wA=' }]);
      const cut = await post(maps, body.subarray(0, 30), { 'Content-Type': 'application/vnd.kubernetes.protobuf' });
      assert.equal(cut.code, 400);
    });

    it('refuses values of another type in a core kind, in the words of a real server', async () => {
      const service = { metadata: { name: 's' }, spec: { selector: { app: true }, ports: [{ port: 1 }] } };
      const refused = await post(maps.replace('configmaps', 'services'), service);
      const problem = 'json: cannot unmarshal bool into Go struct field Service.spec.selector of type string';
      assert.deepEqual(
        [refused.code, refused.body.message],
        [400, `Service in version "v1" cannot be handled as a Service: ${problem}`],
      );
      const containers = [{ ...container, env: [{ name: 'A', value: 1 }] }];
      assert.equal((await post(pods, pod('typed', { containers }))).code, 400);
      assert.equal((await post(pods, pod('typed', { containers: {} }))).code, 400);
      const readinessProbe = { httpGet: { port: 'http' } };
      assert.equal((await post(pods, pod('typed', { containers: [{ ...container, readinessProbe }] }))).code, 201);
      assert.equal((await post(maps, { metadata: { name: 'typed' }, data: { value: 'x', port: '1' } })).code, 201);
    });

    it('takes null for absent in a core kind', async () => {
      const { body } = await post(maps, {
        metadata: { name: 'nulls', labels: null },
        data: { a: 'b' },
        immutable: null,
      });
      assert.equal(Object.hasOwn(body, 'immutable'), false);
      assert.equal(body.metadata.labels, undefined);
    });

    it('merges stringData of a secret into data', async () => {
      const { body } = await post(maps.replace('configmaps', 'secrets'), {
        metadata: { name: 's' },
        stringData: { a: 'b' },
      });
      assert.deepEqual([body.data, body.stringData, body.type], [{ a: 'Yg==' }, undefined, 'Opaque']);
    });
  });

  describe('updates', () => {
    it('needs the version of a custom resource on PUT, but not that of a core kind', async () => {
      await post(widgetsPath, widget('put'));
      const bare = await server.call('PUT', `${widgetsPath}/put`, widget('put'));
      assert.equal(
        bare.body.message,
        'Widget.test.dev "put" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
      );
      await post(maps, { metadata: { name: 'put' }, data: { a: '1' } });
      const replaced = await server.call('PUT', `${maps}/put`, { metadata: { name: 'put' }, data: { b: '2' } });
      assert.deepEqual(replaced.body.data, { b: '2' });
      assert.equal((await server.call('PUT', `${maps}/put`, { metadata: { name: 'other' } })).code, 400);
    });

    it('brings a removed default back without a new generation', async () => {
      const { body: made } = await post(widgetsPath, widget('defaults', { color: 'red', count: 1 }));
      const { body: patched } = await server.merge(`${widgetsPath}/defaults`, { spec: { color: null } });
      assert.equal(patched.spec.color, 'red');
      assert.equal(patched.metadata.generation, 1);
      assert.equal(patched.metadata.resourceVersion, made.metadata.resourceVersion);
    });

    it('scales through /scale, which is a spec change like any other', async () => {
      await post(widgetsPath, widget('scaled', { count: 1 }));
      await server.merge(`${widgetsPath}/scaled/status`, { status: { count: 1 } });
      const scale = await server.call('GET', `${widgetsPath}/scaled/scale`);
      assert.deepEqual(
        [scale.body.kind, scale.body.spec, scale.body.status],
        ['Scale', { replicas: 1 }, { replicas: 1 }],
      );
      const patched = await server.merge(`${widgetsPath}/scaled/scale`, { spec: { replicas: 4 } });
      assert.equal(patched.body.spec.replicas, 4);
      const { body } = await server.call('GET', `${widgetsPath}/scaled`);
      assert.deepEqual([body.spec.count, body.metadata.generation], [4, 2]);
      assert.equal((await server.merge(`${widgetsPath}/scaled/scale`, { spec: { replicas: -1 } })).code, 422);
      const stale = { metadata: { resourceVersion: scale.body.metadata.resourceVersion }, spec: { replicas: 5 } };
      assert.equal((await server.merge(`${widgetsPath}/scaled/scale`, stale)).code, 409);
      assert.equal((await server.call('GET', `${maps}/put/scale`)).code, 404);
    });

    it('patches core kinds strategically', async () => {
      await post(pods, pod('strategic', { containers: [container, { name: 'd', image: 'y' }] }));
      const patch = { spec: { containers: [{ name: 'd', image: 'z:1' }] } };
      const { body } = await server.call('PATCH', `${pods}/strategic`, patch, {
        'Content-Type': 'application/strategic-merge-patch+json',
      });
      assert.deepEqual(
        body.spec.containers.map((c: { image: string }) => c.image),
        ['x:1', 'z:1'],
      );
    });
  });

  describe('server-side apply', () => {
    it('creates with 201, merges lists by key, refuses the fields of others and gives up its own', async () => {
      const path = `${widgetsPath}/applied`;
      const first = await server.apply(path, widget('applied', { count: 1, parts: [{ name: 'a', size: 1 }] }), 'one');
      assert.equal(first.code, 201);
      const second = await server.apply(path, widget('applied', { parts: [{ name: 'b' }] }), 'two');
      assert.deepEqual(second.body.spec.parts, [{ name: 'a', size: 1 }, { name: 'b' }]);
      const refused = await server.apply(path, widget('applied', { count: 2 }), 'two');
      assert.equal(refused.code, 409);
      assert.equal(refused.body.message, 'Apply failed with 1 conflict: conflict with "one": .spec.count');
      const forced = await server.apply(path, widget('applied', { count: 2 }), 'two&force=true');
      assert.deepEqual(forced.body.spec, { count: 2, color: 'red', parts: [{ name: 'a', size: 1 }] });
      const less = await server.apply(path, widget('applied', {}), 'one');
      assert.deepEqual(less.body.spec, { count: 2, color: 'red' });
      assert.deepEqual(managers(less), ['one Apply', 'two Apply']);
      const nameless = await server.call('PATCH', path, widget('applied'), {
        'Content-Type': 'application/apply-patch+yaml',
      });
      assert.equal(nameless.code, 422);
    });

    it('protects what an update has set, by manager and subresource', async () => {
      const path = `${widgetsPath}/mixed`;
      await server.apply(path, widget('mixed', { count: 1, color: 'blue' }), 'file');
      await server.call(
        'PATCH',
        `${path}?fieldManager=hand`,
        { spec: { count: 5 } },
        { 'Content-Type': 'application/merge-patch+json' },
      );
      const status = await server.call(
        'PATCH',
        `${path}/status`,
        { status: { count: 1 } },
        { 'Content-Type': 'application/merge-patch+json', 'User-Agent': 'hayate/1.2' },
      );
      assert.deepEqual(managers(status), ['file Apply', 'hand Update', 'hayate Update status']);
      const refused = await server.apply(path, widget('mixed', { count: 1, color: 'blue' }), 'file');
      assert.match(
        refused.body.message,
        /^Apply failed with 1 conflict: conflict with "hand" using test\.dev\/v1 at 2026-01-02T03:04:05Z: \.spec\.count$/,
      );
      const agreed = await server.apply(path, widget('mixed', { count: 5 }), 'file');
      assert.equal(agreed.code, 200);
    });

    it('applies to /status the status alone, and elsewhere all but the status', async () => {
      const path = `${widgetsPath}/halves`;
      const both = { ...widget('halves', { count: 1 }), status: { count: 9 } };
      const main = await server.apply(path, both, 'spec');
      assert.equal(main.body.status, undefined);
      const status = await server.apply(`${path}/status`, { ...both, spec: { count: 5 } }, 'status');
      assert.deepEqual([status.body.spec.count, status.body.status], [1, { count: 9 }]);
      assert.deepEqual(managers(status), ['spec Apply', 'status Apply status']);
      assert.equal((await server.apply(`${widgetsPath}/none/status`, widget('none'))).code, 404);
    });

    it('lets a client rewrite managedFields, and reset it', async () => {
      const path = `${widgetsPath}/mixed`;
      const patch = (value: unknown): Promise<Answer> =>
        server.call('PATCH', path, [{ op: 'replace', path: '/metadata/managedFields', value }], {
          'Content-Type': 'application/json-patch+json',
        });
      const entry = {
        manager: 'kubectl',
        operation: 'Apply',
        apiVersion: 'test.dev/v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:count': {} } },
      };
      assert.deepEqual(managers(await patch([entry])), ['kubectl Apply']);
      assert.equal((await patch([{}])).body.metadata.managedFields, undefined);
    });

    it('changes nothing when the same is applied again, not even the version', async () => {
      const path = `${widgetsPath}/again`;
      const body = widget('again', { count: 1, parts: [{ name: 'a' }] });
      const first = await server.apply(path, body);
      server.clock.now = new Date(server.clock.now.getTime() + 60_000);
      const second = await server.apply(path, body);
      assert.deepEqual(second.body, first.body);
    });
  });

  describe('deletion', () => {
    const bound = { nodeName: 'local', terminationGracePeriodSeconds: 20 };

    it('gives a bound pod its grace period, which may be shortened but not lengthened', async () => {
      const now = server.clock.now.getTime();
      const at = (seconds: number): string => `${new Date(now + seconds * 1000).toISOString().slice(0, 19)}Z`;
      await post(pods, pod('graceful', bound));
      const first = await server.call('DELETE', `${pods}/graceful`);
      assert.deepEqual(
        [first.body.metadata.deletionTimestamp, first.body.metadata.deletionGracePeriodSeconds],
        [at(20), 20],
      );
      assert.equal(first.body.metadata.generation, 2);
      const longer = await server.call('DELETE', `${pods}/graceful`, { gracePeriodSeconds: 60 });
      assert.equal(longer.body.metadata.deletionTimestamp, at(20));
      const shorter = await server.call('DELETE', `${pods}/graceful`, { gracePeriodSeconds: 5 });
      assert.equal(shorter.body.metadata.deletionTimestamp, at(5));
      const wrong = await server.call('DELETE', `${pods}/graceful`, {
        gracePeriodSeconds: 0,
        preconditions: { uid: 'x' },
      });
      assert.equal(wrong.code, 409);
      const { uid } = first.body.metadata;
      await server.call('DELETE', `${pods}/graceful`, { gracePeriodSeconds: 0, preconditions: { uid } });
      assert.equal((await server.call('GET', `${pods}/graceful`)).code, 404);
    });

    it('removes a pod that has finished at once', async () => {
      await post(pods, pod('finished', bound));
      await server.merge(`${pods}/finished/status`, { status: { phase: 'Succeeded' } });
      await server.call('DELETE', `${pods}/finished`);
      assert.equal((await server.call('GET', `${pods}/finished`)).code, 404);
    });

    it('binds a pod once', async () => {
      await post(pods, pod('loose'));
      const bind = (name: string): Promise<Answer> => post(`${pods}/loose/binding`, { target: { kind: 'Node', name } });
      assert.equal((await bind('local')).code, 201);
      assert.equal((await server.call('GET', `${pods}/loose`)).body.spec.nodeName, 'local');
      assert.equal((await bind('other')).code, 409);
    });

    const owned = (name: string, owner: Answer, extra: object = {}): object => ({
      metadata: {
        name,
        ownerReferences: [
          {
            apiVersion: 'test.dev/v1',
            kind: 'Widget',
            name: owner.body.metadata.name,
            uid: owner.body.metadata.uid,
            ...extra,
          },
        ],
      },
    });
    it('deletes dependents first on Foreground, and keeps them on Orphan', async () => {
      const owner = await post(widgetsPath, widget('fore'));
      await post(maps, { ...owned('dependent', owner, { blockOwnerDeletion: true }) });
      await server.merge(`${maps}/dependent`, { metadata: { finalizers: ['test.dev/hold'] } });
      const deleted = await server.call('DELETE', `${widgetsPath}/fore`, { propagationPolicy: 'Foreground' });
      assert.deepEqual(deleted.body.metadata.finalizers, ['foregroundDeletion']);
      const marked = await server.call('GET', `${maps}/dependent`);
      assert.ok(marked.body.metadata.deletionTimestamp);
      assert.equal((await server.call('GET', `${widgetsPath}/fore`)).code, 200, 'waits for what blocks it');
      await server.merge(`${maps}/dependent`, { metadata: { finalizers: null } });
      assert.equal((await server.call('GET', `${widgetsPath}/fore`)).code, 404);

      const other = await post(widgetsPath, widget('orphaned'));
      await post(maps, owned('kept', other));
      const status = await server.call('DELETE', `${widgetsPath}/orphaned`, { propagationPolicy: 'Orphan' });
      const details = { name: 'orphaned', group: 'test.dev', kind: 'widgets', uid: other.body.metadata.uid };
      assert.deepEqual([status.body.status, status.body.details], ['Success', details]);
      const kept = await server.call('GET', `${maps}/kept`);
      assert.equal(kept.body.metadata.ownerReferences, undefined);
      assert.equal((await server.call('DELETE', `${maps}/kept`, { propagationPolicy: 'Sometimes' })).code, 400);
    });

    it('collects what is created under an owner that is gone already', async () => {
      const owner = await post(widgetsPath, widget('brief'));
      await server.call('DELETE', `${widgetsPath}/brief`);
      const { body: late } = await post(maps, owned('late', owner));
      const query = `watch=true&timeoutSeconds=5&resourceVersion=${late.metadata.resourceVersion}`;
      const [line] = await server.watch(`${maps}?${query}&fieldSelector=metadata.name%3Dlate`, 1);
      assert.equal(line?.['type'], 'DELETED');
      const foreign = {
        metadata: {
          name: 'foreign',
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: 'u' }],
        },
      };
      await post(maps, foreign);
      assert.equal((await server.call('GET', `${maps}/foreign`)).code, 200, 'an owner of an unknown kind is believed');
    });

    it('keeps the namespaces that it comes with', async () => {
      const { code, body } = await server.call('DELETE', '/api/v1/namespaces/kube-system');
      assert.equal(code, 403);
      assert.equal(body.message, 'namespaces "kube-system" is forbidden: this namespace may not be deleted');
    });
  });
});
