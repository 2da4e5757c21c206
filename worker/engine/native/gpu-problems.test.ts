import assert from 'node:assert/strict';
import { exitCodes } from '@hayate/crds/exit-codes.ts';
import { failureOf, withDoctor } from '../../compute/failure.ts';
import { severalVisible, unusableGpu } from './gpu-problems.ts';
import type { Gpu } from './machine.ts';
import { refuseLimitAboveGpu } from './memory-limit.ts';

const addonError = (message: string) => Object.assign(new Error(message), { code: 'FAILED_PRECONDITION', op: '' });

const card = (uuid: string, name: string, memoryMiB: number): Gpu => ({
  uuid,
  name,
  memoryMiB,
  driver: '580.159.04',
  computeCapability: 9,
});

/** How a worker ends whose engine could not be opened for what the addon said. */
const ending = (message: string) => {
  const failure = failureOf(withDoctor(unusableGpu(addonError(message)), 'gpu'), undefined);
  return { code: exitCodes[failure.class], message: failure.message };
};

describe('unusableGpu', () => {
  it('says of several visible GPUs what the doctor says, and exits 15', () => {
    const { code, message } = ending('2 GPUs are visible where there must be one');
    assert.equal(code, 15);
    assert.ok(message.startsWith(`the GPU cannot be used: ${severalVisible(2)}; npm run native -- doctor`), message);
    assert.match(message, /CUDA_VISIBLE_DEVICES=0/);
    assert.match(ending('12 GPUs are visible where there must be one').message, /CUDA_VISIBLE_DEVICES=0/);
  });

  it('sends to the doctor for all else: a driver that is too old, missing libraries, no GPU', () => {
    for (const said of ['TensorFlow cannot use the GPU', '0 GPUs are visible where there must be one']) {
      const { code, message } = ending(said);
      assert.equal(code, 15);
      assert.equal(message, `the GPU cannot be used: ${said}; npm run native -- doctor says what is missing`);
    }
  });
});

describe('refuseLimitAboveGpu', () => {
  const gpus = [card('GPU-1', 'NVIDIA A100', 40_960), card('GPU-2', 'NVIDIA H200', 143_771)];
  const refusal = async (env: Record<string, string>) => {
    try {
      await refuseLimitAboveGpu(env, () => Promise.resolve(gpus));
      return undefined;
    } catch (error) {
      const { class: cause, message } = failureOf(error, undefined);
      assert.equal(exitCodes[cause], 15);
      return message;
    }
  };
  const limit = { HAYATE_GPU_MEMORY_LIMIT_MIB: '50000' };

  it('names the limit and the card that is smaller, of those that are visible', async () => {
    assert.equal(
      await refusal({ ...limit, CUDA_VISIBLE_DEVICES: '0' }),
      'the GPU cannot be used: HAYATE_GPU_MEMORY_LIMIT_MIB is 50000 and the NVIDIA A100 has 40960 MiB; set a smaller limit or none',
    );
    assert.equal(await refusal({ ...limit, CUDA_VISIBLE_DEVICES: 'GPU-2' }), undefined);
  });

  it('lets a limit be that nobody can compare, and asks nobody where there is none', async () => {
    assert.equal(await refusal({ ...limit, CUDA_VISIBLE_DEVICES: '7' }), undefined);
    await refuseLimitAboveGpu({}, () => assert.fail('nobody is to be asked'));
  });
});
