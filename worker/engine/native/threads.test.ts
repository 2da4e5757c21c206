import assert from 'node:assert/strict';
import { opThreads } from './threads.ts';

describe('opThreads', () => {
  const shared = (worldSize: number) => ({ HAYATE_HOSTS_FILE: '/hosts', HAYATE_CONFIG: JSON.stringify({ worldSize }) });

  it('gives a rank that has the machine for itself all cores', () => {
    assert.equal(opThreads({}, 8), 8);
    assert.equal(opThreads({ HAYATE_CONFIG: JSON.stringify({ worldSize: 4 }) }, 8), 8);
  });

  it('divides the cores among the ranks of one machine, one at least', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 16].map((worldSize) => opThreads(shared(worldSize), 8)),
      [8, 4, 2, 2, 1],
    );
  });

  it('takes one where the configuration cannot be read', () => {
    assert.equal(opThreads({ HAYATE_HOSTS_FILE: '/hosts', HAYATE_CONFIG: '{' }, 8), 1);
    assert.equal(opThreads({ HAYATE_HOSTS_FILE: '/hosts' }, 8), 1);
  });

  it('obeys HAYATE_NATIVE_THREADS, if that is a number', () => {
    assert.equal(opThreads({ ...shared(4), HAYATE_NATIVE_THREADS: '3' }, 8), 3);
    assert.equal(opThreads({ HAYATE_NATIVE_THREADS: 'many' }, 8), 8);
  });
});
