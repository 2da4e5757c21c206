import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { startEmbeddedApi } from './server.ts';
import { startTestServer, type TestServer, widgetsPath } from './test-server.ts';

describe('access to the embedded API', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.api.close());

  /** A request with headers that fetch does not let through. */
  const raw = async (path: string, headers: Record<string, string>): Promise<{ code: number; body: string }> => {
    const sent = request({ host: '127.0.0.1', port: server.api.port, path, headers }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { code: response.statusCode ?? 0, body: await text(response) };
  };
  const secret = (): string => new URL(server.api.url).pathname;

  it('answers 401 without the secret, and listens on loopback only', async () => {
    for (const path of ['/', '/version', '/api', `${secret().slice(0, -1)}/version`, `${secret()}x/version`]) {
      const response = await fetch(`http://127.0.0.1:${server.api.port}${path}`);
      assert.equal(response.status, 401, path);
    }
    assert.ok(new URL(server.api.url).pathname.length > 30);
    assert.equal((await fetch(`${server.api.url}/version`)).status, 200);
  });

  it('refuses pages of a browser: a foreign Host, any Origin', async () => {
    const path = `${secret()}/version`;
    const own = `127.0.0.1:${server.api.port}`;
    assert.equal((await raw(path, { host: own })).code, 200);
    assert.equal((await raw(path, { host: `evil.example:${server.api.port}` })).code, 403);
    assert.equal((await raw(path, { host: own, origin: 'http://evil.example' })).code, 403);
    assert.equal((await raw(path, { host: own, origin: 'null' })).code, 403);
  });

  it('refuses bodies of unknown types, broken ones and huge ones', async () => {
    const post = (body: string, type: string) => server.call('POST', widgetsPath, body, { 'Content-Type': type });
    const plain = await post('{}', 'text/plain');
    assert.equal(plain.code, 415);
    assert.match(
      plain.body.message,
      /^the body of the request was in an unknown format - accepted media types include: application\/json/,
    );
    assert.equal((await post('{', 'application/json')).code, 400);
    assert.equal((await post('[]', 'application/json')).code, 400);
    assert.equal((await post('[', 'application/yaml')).code, 400);
    assert.equal((await post('k8s', 'application/vnd.kubernetes.protobuf')).code, 400);
    assert.equal((await post(`${'['.repeat(200)}${']'.repeat(200)}`, 'application/json')).code, 400);
    const huge = await post(JSON.stringify({ a: 'x'.repeat(4_000_000) }), 'application/json');
    assert.equal(huge.code, 413);
    const patch = await server.call('PATCH', `${widgetsPath}/x`, '{}', {
      'Content-Type': 'application/strategic-merge-patch+json',
    });
    assert.equal(patch.code, 415, 'a custom resource takes no strategic patch');
  });

  it('answers unknown paths with 404, and verbs that a kind lacks with 405', async () => {
    for (const path of [
      '/apis/test.dev/v2/widgets',
      '/api/v1/widgets',
      '/nothing',
      '/apis/test.dev/v1/widgets/a',
      `${widgetsPath}/a/b/c`,
      '/api/v1/namespaces/default/pods/a%zz',
    ]) {
      const { code, body } = await server.call('GET', path);
      assert.ok(code === 404 || code === 400, path);
      assert.equal(body.kind, 'Status');
    }
    assert.equal((await server.call('POST', '/api/v1/nodes', {})).code, 405);
    assert.equal((await server.call('DELETE', widgetsPath)).code, 405);
  });

  it('refuses exec, attach and port-forward in a sentence, upgraded or not', async () => {
    const path = '/api/v1/namespaces/default/pods/p/exec?command=ls';
    const posted = await server.call('POST', path);
    assert.equal(posted.code, 501);
    assert.match(posted.body.message, /^exec is not served here: .*use kubectl logs/);
    const upgraded = await raw(`${secret()}${path}`, {
      host: `127.0.0.1:${server.api.port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
    });
    assert.equal(upgraded.code, 501);
    assert.match(upgraded.body, /exec is not served here/);
    const strange = await raw(`/wrong${path}`, {
      host: `127.0.0.1:${server.api.port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
    });
    assert.equal(strange.code, 401);
  });

  it('allows everything to whoever asks what they may do, in JSON and in protobuf', async () => {
    const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const json = await server.call('POST', review, { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } });
    assert.equal(json.code, 201);
    assert.equal(json.body.status.allowed, true);
    const rules = await server.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {});
    assert.deepEqual(rules.body.status.resourceRules[0]?.verbs, ['*']);
    const self = await server.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    assert.equal(self.body.status.userInfo.username, 'hayate:local');
  });

  it('says in one sentence that its port is taken', async () => {
    const again = startEmbeddedApi({ port: server.api.port, crds: [], now: () => new Date(), randomBytes });
    await assert.rejects(again, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'EADDRINUSE');
      assert.match(error.message, new RegExp(`^port ${server.api.port} of 127\\.0\\.0\\.1 is in use: `));
      return true;
    });
  });

  it('closes at once, open watches included, and frees the port', async () => {
    const other = await startTestServer();
    const response = await fetch(`${other.api.url}/api/v1/pods?watch=true`);
    const ended = response.text().then(
      () => 'ended',
      () => 'ended',
    );
    await other.api.close();
    assert.equal(await ended, 'ended');
    const next = await startEmbeddedApi({ port: other.api.port, crds: [], now: () => new Date(), randomBytes });
    await next.close();
  });
});
