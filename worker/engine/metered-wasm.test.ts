import assert from 'node:assert/strict';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { MeteredWasm } from './metered-wasm.ts';

/** A WASM module that hands out `addresses` one after the other, and notes what is written where. */
function moduleWith(addresses: number[]) {
  const writes: [number[], number][] = [];
  const nothing = () => undefined;
  const wasm = {
    _malloc: () => addresses.shift() ?? 0,
    _free: nothing,
    HEAPU8: { set: (bytes: Uint8Array, at: number) => writes.push([[...bytes], at]) },
    tfjs: {
      initWithThreadsCount: nothing,
      getThreadsCount: () => 1,
      registerTensor: nothing,
      disposeData: nothing,
    },
  } as unknown as BackendWasm['wasm'];
  return { wasm, writes };
}

describe('MeteredWasm', () => {
  it('writes values where the module says, and counts them', () => {
    const { wasm, writes } = moduleWith([64]);
    const backend = new MeteredWasm(wasm);
    backend.write(Int32Array.of(0, 1, 2).subarray(1), [2], 'int32');
    assert.deepEqual(writes, [[[1, 0, 0, 0, 2, 0, 0, 0], 64]]);
    assert.equal(backend.meter.live, 8);
  });

  it('writes nothing and holds nothing where there is no memory left, and goes on', () => {
    const { wasm, writes } = moduleWith([64, 0, 128]);
    const backend = new MeteredWasm(wasm);
    backend.write(new Float32Array(1), [1], 'float32');
    assert.throws(() => backend.write(new Float32Array(3), [3], 'float32'), /allocation failed: 12 bytes beside 4 in/);
    assert.deepEqual([writes.length, backend.meter.live, backend.numDataIds()], [1, 4, 1]);
    backend.write(new Float32Array(2), [2], 'float32');
    assert.equal(backend.meter.live, 12);
  });
});
