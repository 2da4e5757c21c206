import assert from 'node:assert/strict';
import { startTestServer } from './test-server.ts';

describe('events of the embedded API', () => {
  const events = '/api/v1/namespaces/default/events';
  const event = (name: string, namespace: string): object => ({
    metadata: { name },
    involvedObject: { kind: 'Widget', namespace, name: 'w' },
    reason: 'Because',
    message: 'so',
  });

  it('are forgotten at their age', async () => {
    const server = await startTestServer({ eventTtlMs: 1000 });
    try {
      await server.call('POST', events, event('old', 'default'));
      const { body } = await server.call('GET', events);
      const query = `watch=true&timeoutSeconds=5&resourceVersion=${body.metadata.resourceVersion}`;
      server.clock.now = new Date(server.clock.now.getTime() + 60_000);
      await server.call('POST', events, event('new', 'default'));
      const lines = await server.watch(`${events}?${query}`, 2);
      assert.deepEqual(
        lines.map((line) => [line['type'], (line['object'] as { metadata: { name: string } }).metadata.name]),
        [
          ['ADDED', 'new'],
          ['DELETED', 'old'],
        ],
      );
      assert.equal((await server.call('GET', `${events}/new`)).code, 200);
    } finally {
      await server.api.close();
    }
  });

  it('belong to the namespace of what they are about', async () => {
    const server = await startTestServer();
    try {
      const { code, body } = await server.call('POST', events, event('strange', 'kube-system'));
      assert.equal(code, 422);
      assert.match(
        body.message,
        /involvedObject\.namespace: Invalid value: "kube-system": does not match event\.namespace/,
      );
    } finally {
      await server.api.close();
    }
  });
});
