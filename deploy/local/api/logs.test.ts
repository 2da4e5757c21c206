import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { LogOptions } from './logs.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const log = `${pods}/p/log`;

describe('logs of the embedded API', () => {
  let server: TestServer;
  const asked: LogOptions[] = [];
  const running = (name: string): object => ({ name, ready: true, restartCount: 0, state: { running: {} } });

  before(async () => {
    server = await startTestServer();
    const containers = [
      { name: 'a', image: 'x' },
      { name: 'b', image: 'x' },
    ];
    await server.call('POST', pods, { metadata: { name: 'p' }, spec: { containers } });
    await server.call('POST', pods, { metadata: { name: 'single' }, spec: { containers: containers.slice(0, 1) } });
  });
  after(() => server.api.close());

  it('says why there is no log', async () => {
    const message = async (path: string): Promise<string> => (await server.call('GET', path)).body.message;
    assert.equal(await message(`${pods}/none/log`), 'pods "none" not found');
    assert.equal(await message(log), 'a container name must be specified for pod p, choose one of: [a b]');
    assert.equal(await message(`${log}?container=x`), 'container x is not valid for pod p');
    assert.equal(
      await message(`${log}?container=a`),
      'container "a" in pod "p" is waiting to start: ContainerCreating',
    );
    assert.equal(
      await message(`${log}?container=a&previous=true`),
      'previous terminated container "a" in pod "p" not found',
    );
    await server.merge(`${pods}/p/status`, {
      status: { phase: 'Running', containerStatuses: [running('a'), running('b')] },
    });
    const unattended = await server.call('GET', `${log}?container=a`);
    assert.equal(unattended.code, 503);
    assert.equal((await server.call('GET', `${log}?container=a&tailLines=-1`)).code, 400);
  });

  it('passes the options on and streams what the source gives, at most limitBytes of it', async () => {
    server.api.setLogSource({
      async *open(pod, options) {
        asked.push(options);
        yield Buffer.from(`${pod.namespace}/${pod.name} ${pod.uid.length}\n`);
        yield Buffer.from('more\n');
      },
    });
    const query = 'container=b&tailLines=3&timestamps=true&sinceSeconds=5&limitBytes=14';
    const { body, headers } = await server.call('GET', `${log}?${query}`);
    assert.equal(body, 'default/p 36\nm');
    assert.equal(headers.get('content-type'), 'text/plain');
    const [{ signal: _, ...options } = {} as LogOptions] = asked;
    const sinceMs = server.clock.now.getTime() - 5000;
    assert.deepEqual(options, {
      container: 'b',
      follow: false,
      previous: false,
      timestamps: true,
      tailLines: 3,
      sinceMs,
      limitBytes: 14,
    });
  });

  it('hands the sentence of a source that refuses to the reader', async () => {
    server.api.setLogSource({ open: () => Promise.reject(new Error('the log of p was removed')) });
    const { code, body } = await server.call('GET', `${log}?container=a`);
    assert.deepEqual([code, body.message], [400, 'the log of p was removed']);
  });

  it('tells the source of a followed log when the reader has gone', async () => {
    let left: Promise<unknown> | undefined;
    server.api.setLogSource({
      async *open(_pod, { signal }) {
        left = once(signal, 'abort');
        yield Buffer.from('first\n');
        await left;
      },
    });
    const reader = new AbortController();
    const response = await fetch(`${server.api.url}${log}?container=a&follow=true`, { signal: reader.signal });
    for await (const chunk of response.body!) {
      assert.equal(Buffer.from(chunk).toString(), 'first\n');
      break;
    }
    reader.abort();
    await left;
  });
});
