import assert from 'node:assert/strict';
import { gpuEnvironment, gpuSettings } from './gpu-settings.ts';
import { sessionConfig } from './session-config.ts';

describe('gpuSettings', () => {
  it('takes memory of our own, and as much as it needs, where nothing is said', () => {
    assert.deepEqual(gpuSettings('tf32', {}), {
      precision: 'tf32',
      deterministic: false,
      memoryLimitMib: undefined,
      allocator: 'own',
      mayFallBack: true,
      imageFormats: ['NHWC', 'NCHW'],
    });
  });

  it('leaves graphs plain where that is asked for, and refuses a layout that there is not', () => {
    assert.deepEqual(gpuSettings('tf32', { HAYATE_GPU_LAYOUT: 'plain' }).imageFormats, []);
    assert.throws(() => gpuSettings('tf32', { HAYATE_GPU_LAYOUT: 'nchw' }), /"nchw" is none of NHWC, NCHW, plain/);
  });

  it('names everything at once that is not understood', () => {
    const env = {
      HAYATE_GPU_MEMORY_LIMIT_MIB: '4 GB',
      HAYATE_GPU_ALLOCATOR: 'Pool',
      HAYATE_GPU_DETERMINISTIC: 'yes',
      HAYATE_GPU_LAYOUT: '',
    };
    assert.throws(() => gpuSettings('tf32', env), {
      code: 'engineMissing',
      message:
        'HAYATE_GPU_ALLOCATOR: "Pool" is none of own, driver, pool; HAYATE_GPU_DETERMINISTIC: "yes" is none of 0, 1; HAYATE_GPU_MEMORY_LIMIT_MIB: "4 GB" is no number of MiB above 0',
    });
  });

  it('keeps to a limit by memory of our own, or by the pool where the driver was asked for, which knows none', () => {
    assert.equal(gpuSettings('tf32', { HAYATE_GPU_MEMORY_LIMIT_MIB: '512' }).allocator, 'own');
    const env = { HAYATE_GPU_MEMORY_LIMIT_MIB: '512', HAYATE_GPU_ALLOCATOR: 'driver' };
    assert.equal(gpuSettings('tf32', env).allocator, 'pool');
  });

  it('leaves the driver to TensorFlow where the memory is our own', () => {
    const settings = gpuSettings('float32', { HAYATE_GPU_ALLOCATOR: 'own' });
    assert.deepEqual([settings.allocator, settings.mayFallBack], ['own', false]);
    const driver = gpuSettings('float32', { HAYATE_GPU_ALLOCATOR: 'driver' });
    assert.deepEqual(gpuEnvironment(settings), gpuEnvironment(driver));
  });

  it('takes limit, allocator and determinism from the environment', () => {
    const env = {
      HAYATE_GPU_MEMORY_LIMIT_MIB: '1024',
      HAYATE_GPU_ALLOCATOR: 'pool',
      HAYATE_GPU_DETERMINISTIC: '1',
      HAYATE_GPU_LAYOUT: 'NCHW',
    };
    const settings = gpuSettings('float32', env);
    assert.deepEqual(settings, {
      precision: 'float32',
      deterministic: true,
      memoryLimitMib: 1024,
      allocator: 'pool',
      mayFallBack: false,
      imageFormats: ['NCHW'],
    });
    const always = ['CUDA_DEVICE_MAX_CONNECTIONS', '32'];
    assert.deepEqual(gpuEnvironment(settings), [...always, 'TF_DETERMINISTIC_OPS', '1']);
    assert.deepEqual(gpuEnvironment(gpuSettings('float32', {})), [...always, 'TF_GPU_ALLOCATOR', 'cuda_malloc_async']);
  });
});

describe('sessionConfig', () => {
  const gpu = gpuSettings('float32', {});

  it('names no GPU for the CPU, and one for a GPU that grows and does not wait for memory', () => {
    const cpu = [10, 7, 10, 3, 67, 80, 85, 16, 1, 10, 7, 10, 3, 71, 80, 85, 16];
    assert.deepEqual([...sessionConfig({ opThreads: 3 })], [...cpu, 0, 16, 3, 40, 1]);
    const grown = [50, 6, 32, 1, 74, 2, 96, 1];
    assert.deepEqual([...sessionConfig({ opThreads: 3, gpu })], [...cpu, 1, 16, 3, 40, 1, ...grown]);
  });

  it('states a limit in MiB as a virtual device', () => {
    const limited = sessionConfig({ opThreads: 1, gpu: { ...gpu, allocator: 'pool', memoryLimitMib: 1024 } });
    const mebibytes = [...new Uint8Array(Float32Array.of(1024).buffer)];
    assert.deepEqual([...limited].slice(-13), [50, 11, 74, 9, 10, 5, 13, ...mebibytes, 96, 1]);
    // Memory of our own keeps to it by itself.
    const own = sessionConfig({ opThreads: 1, gpu: { ...gpu, allocator: 'own', memoryLimitMib: 1024 } });
    assert.deepEqual([...own], [...sessionConfig({ opThreads: 1, gpu: { ...gpu, allocator: 'own' } })]);
  });
});
