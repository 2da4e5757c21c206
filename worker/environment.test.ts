import assert from 'node:assert/strict';
import { chooseEngine } from './environment.ts';

describe('chooseEngine', () => {
  const engine = (forced: string | undefined, staged: boolean) => {
    const choice = chooseEngine(forced, staged);
    return choice.ok ? choice.engine : choice.problem;
  };

  it('takes the native engine where it is staged, and WASM elsewhere', () => {
    assert.equal(engine(undefined, true), 'native');
    assert.equal(engine('', true), 'native');
    assert.equal(engine(undefined, false), 'wasm');
  });

  it('takes what is asked for, staged or not: no other engine stands in for it', () => {
    assert.equal(engine('wasm', true), 'wasm');
    assert.equal(engine('native', false), 'native');
  });

  it('names an engine that does not exist', () => {
    assert.equal(engine('cuda', true), 'HAYATE_ENGINE: "cuda" is none of wasm, cpu, native');
  });
});
