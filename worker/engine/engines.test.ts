import assert from 'node:assert/strict';
import { engineContract } from './contract.ts';
import { EngineError } from './engine.ts';
import { openEngine } from './open.ts';

describe('wasm engine', () => {
  engineContract(() => openEngine('wasm'));
});

describe('cpu engine', () => {
  engineContract(() => openEngine('cpu'));
});

describe('openEngine', () => {
  it('says what to run where the native engine is not installed', async () => {
    const { XDG_CACHE_HOME: caches } = process.env;
    process.env['XDG_CACHE_HOME'] = '/nowhere';
    try {
      await assert.rejects(
        openEngine('native'),
        (error: unknown) =>
          error instanceof EngineError && error.code === 'engineMissing' && /npm run native -- cpu/.test(error.message),
      );
    } finally {
      if (caches === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = caches;
    }
  });

  it('gives engines of one process that do not disturb each other', async () => {
    const [first, second] = [await openEngine('wasm'), await openEngine('wasm')];
    const one = first.upload(Float32Array.of(1), [1], 'float32');
    const two = second.upload(Float32Array.of(2), [1], 'float32');
    first.free(one);
    assert.equal(second.read(two)[0], 2);
    assert.equal(first.liveBytes(), 0);
    assert.equal(second.liveBytes(), 4);
    second.free(two);
  });
});
