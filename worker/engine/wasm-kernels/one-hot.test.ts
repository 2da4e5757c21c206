import assert from 'node:assert/strict';
import type { DType, Node } from '../../graph/graph.ts';
import type { EngineName, Handle } from '../engine.ts';
import { openEngine } from '../open.ts';

describe('OneHot', () => {
  const rows = async (name: EngineName, dtype: DType): Promise<number[]> => {
    const engine = await openEngine(name);
    const indices = engine.upload(Int32Array.of(2, 0, -1, 3), [4], 'int32');
    const attrs = { depth: 3, onValue: 1, offValue: 0, dtype };
    const node: Node = {
      id: 0,
      kernel: 'OneHot',
      inputs: { indices: 0 },
      attrs,
      outputs: [],
      layer: 1,
      role: 'forward',
    };
    engine.resetPeak();
    const before = engine.liveBytes();
    const [out] = engine.run(node, { indices }) as [Handle];
    assert.equal(
      engine.peakBytes() - before,
      engine.runBytes(node, () => ({ shape: [4], dtype: 'int32' })),
    );
    assert.deepEqual([...out.shape], [4, 3]);
    const values = [...engine.read(out)];
    engine.free(out);
    engine.free(indices);
    return values;
  };

  for (const name of ['wasm', 'cpu'] as const) {
    for (const dtype of ['float32', 'int32'] as const) {
      it(`marks the index of each row, and nothing for an index out of range (${name}, ${dtype})`, async () => {
        assert.deepEqual(await rows(name, dtype), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      });
    }
  }
});
