import type { Engine, Handle, Sum } from './engine.ts';

/**
 * For tests: an engine as one that is far from the host's memory. What it fills a room with it takes at the last moment,
 * right before the first update from there; an update from a room that was never filled fails.
 */
export function fetching(engine: Engine): Engine {
  const filling = new Map<Handle, Float32Array>();
  const filled = new Set<Handle>();
  const settle = (sum: Sum): void => {
    if (sum instanceof Float32Array || !('handle' in sum)) return;
    const { handle } = sum;
    const from = filling.get(handle);
    if (from !== undefined) engine.fill(handle, from);
    if (from === undefined && !filled.has(handle)) throw new Error('an update from a room that was never filled');
    filling.delete(handle);
    filled.add(handle);
  };
  const changed: Partial<Engine> = {
    fetches: true,
    fill(room, from) {
      filling.set(room, from);
    },
    update(variable, slots, sum, ...rest) {
      settle(sum);
      return engine.update(variable, slots, sum, ...rest);
    },
    average(variable, sum, ...rest) {
      settle(sum);
      return engine.average(variable, sum, ...rest);
    },
  };
  return Object.assign(Object.create(engine) as Engine, changed);
}
