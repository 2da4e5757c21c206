import assert from 'node:assert/strict';
import type { Addon } from './addon.ts';
import { openOnGpu } from './gpu-context.ts';
import { gpuSettings } from './gpu-settings.ts';

type Env = Parameters<typeof gpuSettings>[1];

/** Opens a GPU whose driver fails in that way when it is asked for memory of our own, or else. */
function opened(env: Env, failure?: { code: string; message: string; always?: boolean }) {
  const own: unknown[] = [];
  const said: string[] = [];
  const addon: Pick<Addon, 'setEnvironment' | 'createContext'> = {
    setEnvironment: () => undefined,
    createContext: (...all) => {
      own.push(all[5]);
      if (failure !== undefined && (failure.always === true || all[5] !== undefined)) {
        throw Object.assign(new Error(failure.message), { code: failure.code, op: '' });
      }
      return own.length as never;
    },
  };
  const open = () => openOnGpu(addon, gpuSettings('float32', env), 2, (line) => said.push(line));
  return { open, own, said };
}

const unmapped = { code: 'UNIMPLEMENTED', message: "this GPU's driver cannot map memory" };

describe('openOnGpu', () => {
  it('takes memory of our own where nothing is said, as much as a limit allows', () => {
    const free = opened({});
    free.open();
    const limited = opened({ HAYATE_GPU_MEMORY_LIMIT_MIB: '512' });
    limited.open();
    assert.deepEqual([...free.own, ...limited.own], [2 ** 24, 512]);
    const driver = opened({ HAYATE_GPU_ALLOCATOR: 'driver' });
    driver.open();
    assert.deepEqual(driver.own, [undefined]);
  });

  it("falls back to the driver's allocator, and says so, where the driver cannot map memory", () => {
    const { open, own, said } = opened({}, unmapped);
    assert.equal(open(), 2);
    assert.deepEqual(own, [2 ** 24, undefined]);
    assert.deepEqual(said, [
      "this GPU's driver cannot map memory; memory comes from the driver's allocator instead, which costs 1 to 2 % of a step's time",
    ]);
  });

  it('says what is wrong where the driver fails at that too', () => {
    const { open, own } = opened({}, { ...unmapped, always: true });
    assert.throws(open, { code: 'engineMissing', message: /^the GPU cannot be used: / });
    assert.deepEqual(own, [2 ** 24, undefined]);
  });

  it('refuses where it was asked for by name, or where a limit has to be kept', () => {
    for (const env of [{ HAYATE_GPU_ALLOCATOR: 'own' }, { HAYATE_GPU_MEMORY_LIMIT_MIB: '512' }]) {
      const { open, said } = opened(env, unmapped);
      assert.throws(open, {
        code: 'engineMissing',
        message:
          "the GPU cannot be used: this GPU's driver cannot map memory; set HAYATE_GPU_ALLOCATOR=pool, which keeps to a limit too, or driver, which does not",
      });
      assert.deepEqual(said, []);
    }
  });

  it('sends to the doctor for whatever else is wrong', () => {
    for (const code of ['FAILED_PRECONDITION', 'UNIMPLEMENTED']) {
      const { open, said } = opened({}, { code, message: 'TensorFlow cannot use the GPU', always: true });
      assert.throws(open, {
        code: 'engineMissing',
        message: /^the GPU cannot be used: TensorFlow cannot use the GPU; npm run native -- doctor/,
      });
      assert.deepEqual(said, []);
    }
  });
});
