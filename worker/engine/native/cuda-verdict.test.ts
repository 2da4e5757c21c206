import assert from 'node:assert/strict';
import { gpuVerdict, neededCuda, visibleDeviceNames, visibleGpus } from './cuda-verdict.ts';
import { gpuRows } from './doctor.ts';
import type { Gpu, Machine } from './machine.ts';

const card: Gpu = {
  uuid: 'GPU-8932f937-d72c',
  name: 'NVIDIA H200',
  driver: '580.159.04',
  memoryMiB: 143_771,
  computeCapability: 9,
};
const able: Machine = {
  platform: 'linux-x64',
  glibc: '2.36',
  python: 'Python 3.11.2',
  pip: 'pip 23',
  compiler: 'g++ 12',
  nodeHeaders: '/node/include',
  freeBytes: 1e12,
  gpus: [card],
  visibleDevices: undefined,
  memoryLimitMib: undefined,
  cudaFiles: neededCuda.map((soname) => `/cache/nvidia/cuda_runtime/lib/${soname}`),
};
const withDriver = (driver: string, computeCapability = 9): Machine => ({
  ...able,
  gpus: [{ ...card, driver, computeCapability }],
});
const problemsOf = (machine: Machine): string => gpuVerdict(machine).problems.join('\n');

describe('gpuVerdict', () => {
  it('uses a GPU where driver and libraries are there', () => {
    assert.deepEqual(gpuVerdict(able), { isUsed: true, problems: [], notes: [] });
  });

  it('says that no driver answers', () => {
    assert.match(problemsOf({ ...able, gpus: [] }), /^no NVIDIA driver answers/);
  });

  it('refuses a driver that is older than CUDA 12', () => {
    assert.match(problemsOf(withDriver('515.105.01')), /driver 515\.105\.01 is too old: CUDA 12 needs 525/);
    assert.equal(problemsOf(withDriver('525.60.13', 8)), '');
  });

  it('asks for a newer driver where part of the kernels exist as PTX alone', () => {
    assert.match(problemsOf(withDriver('535.54.03', 9)), /too old for the kernels of the NVIDIA H200.* 555/);
    assert.equal(problemsOf(withDriver('535.54.03', 8.9)), '');
    assert.equal(problemsOf(withDriver('555.42.06', 9)), '');
  });

  it('notes a driver that is older than the libraries, and goes on', () => {
    const { isUsed, notes } = gpuVerdict(withDriver('560.28.03'));
    assert.equal(isUsed, true);
    assert.match(notes.join(), /560\.28\.03 is older than CUDA 12\.9's own \(575\.51\)/);
  });

  it('uses none of several visible GPUs, as the engine does not either, and says how to show one', () => {
    const two = { ...able, gpus: [card, card] };
    assert.match(problemsOf(two), /^2 GPUs are visible where there must be one; set CUDA_VISIBLE_DEVICES=0,/);
    assert.equal(problemsOf({ ...two, visibleDevices: '1' }), '');
    assert.match(Object.fromEntries(gpuRows(two, {}))['GPU use'] ?? '', /^not used: 2 GPUs are visible/);
  });

  it('refuses a memory limit that is above the card', () => {
    const limited = (memoryLimitMib: number) => problemsOf({ ...able, memoryLimitMib });
    assert.equal(limited(143_771), '');
    assert.match(limited(143_772), /HAYATE_GPU_MEMORY_LIMIT_MIB is 143772 and the NVIDIA H200 has 143771 MiB; set a/);
  });

  it('tells all that is wrong with the GPUs at once', () => {
    const old = { ...card, driver: '515.105.01' };
    const { problems } = gpuVerdict({ ...able, gpus: [old, old], memoryLimitMib: 2e5 });
    assert.equal(problems.length, 3, problems.join('; '));
  });

  it('says that CUDA_VISIBLE_DEVICES hides what is there', () => {
    for (const visibleDevices of ['', '-1', '7'])
      assert.match(problemsOf({ ...able, visibleDevices }), /hides all 1 GPU/);
  });

  it('lists the libraries that are missing and names those of another major', () => {
    const cudaFiles = [...able.cudaFiles.filter((file) => !/cublas\.|cudnn/.test(file)), '/usr/lib/libcublas.so.13'];
    const problems = problemsOf({ ...able, cudaFiles });
    assert.match(problems, /libcublas\.so\.12 \(libcublas\.so\.13 is of another major\), libcudnn\.so\.9;/);
    assert.doesNotMatch(problems, /libcublasLt/);
  });

  it('tells of driver and libraries at once', () => {
    assert.equal(gpuVerdict({ ...able, gpus: [], cudaFiles: [] }).problems.length, 2);
  });
});

describe('visibleGpus', () => {
  it('follows CUDA_VISIBLE_DEVICES as the driver does: in its order, up to the first that is unknown', () => {
    const [a, b] = [card, { ...card, uuid: 'GPU-12', name: 'other' }];
    const visible = (visibleDevices: string) => visibleGpus({ gpus: [a, b], visibleDevices });
    assert.deepEqual(visible('1,0'), [b, a]);
    assert.deepEqual(visible('0,5,1'), [a]);
    assert.deepEqual(visible('GPU-12, GPU-8932'), [b, a]);
    assert.deepEqual(visible('0,GPU-77,1'), [a]);
  });
});

describe('visibleDeviceNames', () => {
  it('name GPUs by what does not depend on the order in which a program counts them, or as they were named', () => {
    const gpus = [card, { ...card, uuid: 'GPU-12' }];
    assert.deepEqual(visibleDeviceNames({ gpus, visibleDevices: undefined }), ['GPU-8932f937-d72c', 'GPU-12']);
    assert.deepEqual(visibleDeviceNames({ gpus, visibleDevices: '1, 0,7' }), ['1', '0']);
    assert.deepEqual(visibleDeviceNames({ gpus, visibleDevices: '' }), []);
  });
});

describe('gpuRows', () => {
  const rows = (machine: Machine, probed = {}) => Object.fromEntries(gpuRows(machine, probed));

  it('show the GPU, where the libraries are, and that it is used', () => {
    assert.deepEqual(rows(able), {
      GPU: 'NVIDIA H200, driver 580.159.04, 143771 MiB',
      CUDA: `${neededCuda.length} of ${neededCuda.length} libraries found in /cache/nvidia/cuda_runtime/lib`,
      'GPU use': 'used: NVIDIA H200',
    });
  });

  it('show every reason why it is not, the engine included', () => {
    const { 'GPU use': use } = rows({ ...able, gpus: [] }, { problem: 'not staged' });
    assert.match(use ?? '', /^not used: no NVIDIA driver.*; the engine does not load$/);
  });
});
