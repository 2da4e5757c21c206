import assert from 'node:assert/strict';
import { podEnvironment } from './environment.ts';
import type { Pod } from './pod.ts';

describe('podEnvironment', () => {
  const container = { name: 'worker', image: 'any' };
  const pod: Pod = {
    metadata: { name: 'a', namespace: 'default', uid: 'u' },
    spec: { containers: [container] },
  };
  const facts = { ip: '127.0.0.9', nodeName: 'here', hostsFile: '/h', terminationLog: '/t', gpus: [] };

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

  it('hides all GPUs from a pod that asks for none, as a cluster does', () => {
    const { env } = podEnvironment(pod, container, facts, { CUDA_VISIBLE_DEVICES: '1' }, '/node');
    assert.equal(env['CUDA_VISIBLE_DEVICES'], '');
    const { env: wanted } = podEnvironment(pod, container, facts, { HAYATE_DEVICE: 'gpu' }, '/node');
    assert.equal(wanted['CUDA_VISIBLE_DEVICES'], undefined);
  });

  it('shows a pod the GPUs that are its own and no other, whatever machine and manifest say', () => {
    const greedy = { ...container, env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '0,1' }] };
    const host = { CUDA_VISIBLE_DEVICES: '0,1', HAYATE_DEVICE: 'gpu' };
    const { env } = podEnvironment(pod, greedy, { ...facts, gpus: ['GPU-1'] }, host, '/node');
    assert.equal(env['CUDA_VISIBLE_DEVICES'], 'GPU-1');
  });

  it('lets the manifest say which GPU its workers see', () => {
    const seen = { ...container, env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '0' }] };
    const { env } = podEnvironment(pod, seen, facts, { CUDA_VISIBLE_DEVICES: '1' }, '/node');
    assert.equal(env['CUDA_VISIBLE_DEVICES'], '0');
  });
});
