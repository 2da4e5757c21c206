import assert from 'node:assert/strict';
import { podEnvironment } from './environment.ts';
import type { Pod } from './pod.ts';

describe('podEnvironment', () => {
  const container = { name: 'worker', image: 'any' };
  const pod: Pod = {
    metadata: { name: 'a', namespace: 'default', uid: 'u' },
    spec: { containers: [container] },
  };
  const facts = { ip: '127.0.0.9', nodeName: 'here', hostsFile: '/h', terminationLog: '/t' };

  it('passes on which engine computes and on what, and where it finds a GPU', () => {
    const host = {
      HAYATE_ENGINE: 'native',
      HAYATE_DEVICE: 'gpu',
      CUDA_VISIBLE_DEVICES: '1',
      LD_LIBRARY_PATH: '/cuda',
      XDG_CACHE_HOME: '/cache',
    };
    const { env } = podEnvironment(pod, container, facts, { ...host, NODE_OPTIONS: '--inspect' }, '/node');
    for (const [name, value] of Object.entries(host)) assert.equal(env[name], value, name);
    assert.equal(env['NODE_OPTIONS'], undefined);
  });

  it('lets the manifest say which GPU its workers see', () => {
    const seen = { ...container, env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '0' }] };
    const { env } = podEnvironment(pod, seen, facts, { CUDA_VISIBLE_DEVICES: '1' }, '/node');
    assert.equal(env['CUDA_VISIBLE_DEVICES'], '0');
  });
});
