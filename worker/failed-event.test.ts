import assert from 'node:assert/strict';
import { EngineError } from './engine/engine.ts';
import { withEvent } from './failed-event.ts';
import type { Graph } from './graph/graph.ts';
import type { Stream } from './memory/event.ts';

const graph = {
  nodes: [{ id: 0, kernel: 'Conv2D', inputs: {}, attrs: {}, outputs: [1], layer: 2, role: 'forward' }],
  values: [{}, { id: 1, shape: [8, 4, 4, 16], dtype: 'float32', bytes: 8192 }],
} as unknown as Graph;
const stream: Stream = {
  events: [
    { kind: 'feed', feed: 0, value: 0 },
    { kind: 'run', node: 0 },
  ],
  liveBytes: [3 * 2 ** 20, 4 * 2 ** 20],
};

describe('withEvent', () => {
  it('says at which kernel, shape and event of the plan an engine failed, and keeps what it was', () => {
    const cause = new Error('RESOURCE_EXHAUSTED');
    const failed = new EngineError('outOfMemory', 'no memory left while running Conv2D', { cause });
    const told = withEvent(failed, graph, stream, 1) as EngineError;
    assert.equal(
      told.message,
      'no memory left while running Conv2D (at Conv2D → [8, 4, 4, 16] (layer 2, forward), event 2 of 2 of a step, with 3.0 MiB alive by the plan)',
    );
    assert.deepEqual([told.code, told.retryable, told.cause], ['outOfMemory', true, cause]);
  });

  it('knows of nothing alive before the first event', () => {
    const told = withEvent(new EngineError('kernelFailed', 'no'), graph, stream, 0) as EngineError;
    assert.equal(told.message, 'no (at feed feed 0, value 0, event 1 of 2 of a step)');
    assert.equal((told.cause as Error).message, 'no');
  });

  it('leaves what is not of an engine alone', () => {
    const error = new TypeError('x');
    assert.equal(withEvent(error, graph, stream, 1), error);
  });
});
