import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { addonFolder, kernelFiles, writeKernels } from './checks/kernel-sources.ts';
import { compileProgram, needHeaders, type Program } from './checks/program.ts';

/** Kernels that give the host's bits; the others round in another order, or exponentials by another library. */
const exact = new Set(
  'AddBias AddV2 Floor MaxPool MaxPoolGrad Mul RealDiv Relu ReluGrad average pad_rows send uniform update_adam update_momentum update_sgd'.split(
    ' ',
  ),
);
const rounded = 'BatchNorm BatchNormGrad CrossEntropy CrossEntropyGrad PlaneSums'.split(' ');
const tolerance = 3e-6;

describe('kernels for GPUs, on an emulated one', () => {
  let program: Program;
  let kernels: string[];

  before(async function () {
    this.timeout(180_000);
    needHeaders(this);
    const files = ['gpu_kernels_gpu', 'gpu_updates_gpu', 'host_kernels', 'host_pooling', 'optimizer', 'threads'];
    program = await compileProgram('gpu-kernels', files, ['-w', '-ffp-contract=off', '-pthread'], async (folder) => {
      kernels = await writeKernels(folder);
    });
  });
  after(async () => program?.remove());

  it('are all compiled', async () => {
    const there = (await readdir(addonFolder)).filter((name) => name.endsWith('.cu'));
    assert.deepEqual((await kernelFiles()).toSorted(), there.toSorted());
  });

  it('give what the host gives, in whatever order their threads come', async function () {
    this.timeout(120_000);
    const { stdout } = await promisify(execFile)(program.file);
    const [checked, started] = stdout.split('started:\n') as [string, string];
    const worst = new Map(
      checked
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
    assert.deepEqual([...worst.keys()].toSorted(), [...exact, ...rounded].toSorted());
    for (const [name, difference] of worst) {
      assert.ok(Number(difference) <= (exact.has(name) ? 0 : tolerance), `${name} is off by ${difference}`);
    }
    assert.deepEqual(started.trim().split('\n').toSorted(), kernels.toSorted(), 'some kernel was not started');
  });
});
