import type { Engine, Expected, Handle, Sum } from './engine.ts';

/** Numbers that come to a part of a tensor. */
interface Coming {
  tensor: Handle;
  first: number;
  elements: number;
  from?: Float32Array;
}

/**
 * For tests: an engine as one that is far from the host's memory. What is brought it takes at the last moment, right
 * before the first update from there; it has no room for what is brought before it was asked a second time, and an update
 * from what was not settled fails.
 */
export function fetching(engine: Engine): Engine {
  const coming = new Map<Expected, Coming>();
  const settled: Required<Coming>[] = [];
  const refused = new Set<Expected>();
  let told = 0;
  const take = (sum: Sum): void => {
    if (sum instanceof Float32Array || !('handle' in sum)) return;
    const found = settled.find(({ tensor, first, elements }) => {
      return tensor === sum.handle && first <= sum.offset && sum.offset + sum.length <= first + elements;
    });
    if (found === undefined) throw new Error('an update from what was not settled');
    const own = engine.expect(found.tensor, found.first, found.elements, false);
    engine.bring(own, found.from);
    engine.settle(own);
  };
  const changed: Partial<Engine> = {
    fetches: true,
    expect(tensor, first, elements) {
      told += 1;
      coming.set(told, { tensor, first, elements });
      return told;
    },
    bring(expected, from) {
      const isEarly = !refused.has(expected);
      refused.add(expected);
      if (!isEarly) (coming.get(expected) as Coming).from = from;
      return !isEarly;
    },
    settle(expected) {
      const { from, ...place } = coming.get(expected) as Coming;
      if (from === undefined) return false;
      coming.delete(expected);
      settled.push({ ...place, from });
      return true;
    },
    update(variable, slots, sum, ...rest) {
      take(sum);
      return engine.update(variable, slots, sum, ...rest);
    },
    average(variable, sum, ...rest) {
      take(sum);
      return engine.average(variable, sum, ...rest);
    },
    free(handle) {
      for (let at = settled.length - 1; at >= 0; at--) if (settled[at]?.tensor === handle) settled.splice(at, 1);
      engine.free(handle);
    },
  };
  return Object.assign(Object.create(engine) as Engine, changed);
}
