import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { startEmbeddedApi } from './server.ts';

interface Node {
  status: { capacity?: unknown; allocatable?: unknown };
}

async function nodeWith(devices?: Record<string, number>): Promise<Node> {
  const api = await startEmbeddedApi({
    crds: [],
    now: () => new Date(),
    randomBytes,
    ...(devices !== undefined && { devices }),
  });
  try {
    return (await (await fetch(`${api.url}/api/v1/nodes/local`)).json()) as Node;
  } finally {
    await api.close();
  }
}

describe('the node of an embedded API', () => {
  it('reports the devices that pods can ask for', async () => {
    const { status } = await nodeWith({ 'nvidia.com/gpu': 2 });
    assert.deepEqual(status.capacity, { 'nvidia.com/gpu': '2' });
    assert.deepEqual(status.allocatable, status.capacity);
  });

  it('has none where the machine has none', async () => {
    assert.deepEqual((await nodeWith()).status.capacity, {});
  });
});
