import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { compileProgram, type Program, programProblem } from './checks/program.ts';

const sources = path.join(import.meta.dirname, 'addon');

/** Kernels that give the host's bits; the others round in another order, or exponentials by another library. */
const exact = new Set(
  'AddBias AddV2 Floor MaxPool MaxPoolGrad Mul RealDiv Relu ReluGrad average pad_rows send uniform update_adam update_momentum update_sgd'.split(
    ' ',
  ),
);
const rounded = 'BatchNorm BatchNormGrad CrossEntropy CrossEntropyGrad PlaneSums'.split(' ');
const tolerance = 3e-6;

/** In the order in which gpu_kernels_gpu.cc puts them together. */
async function kernelFiles(): Promise<string[]> {
  const starter = await readFile(path.join(sources, 'gpu_kernels_gpu.cc'), 'utf8');
  return [...starter.matchAll(/HAYATE_SOURCES "\/(\w+\.cu)/g)].map(([, name]) => name as string);
}

describe('kernels for GPUs, on an emulated one', () => {
  let program: Program;
  let kernels: string[];

  before(async function () {
    this.timeout(180_000);
    const problem = programProblem();
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    const files = ['gpu_kernels_gpu', 'gpu_updates_gpu', 'host_kernels', 'host_pooling', 'optimizer', 'threads'];
    program = await compileProgram('gpu-kernels', files, ['-w', '-ffp-contract=off', '-pthread'], async (folder) => {
      const texts = await Promise.all((await kernelFiles()).map((name) => readFile(path.join(sources, name), 'utf8')));
      const text = texts.join('').replaceAll('extern __shared__', 'extern');
      kernels = [...text.matchAll(/extern "C" __global__ void (\w+)\(/g)].map(([, name]) => name as string);
      await writeFile(path.join(folder, 'device_kernels.inc'), text.replaceAll('extern "C" __global__', '__global__'));
      await writeFile(
        path.join(folder, 'device_kernels_list.inc'),
        kernels.map((name) => `KERNEL(${name})\n`).join(''),
      );
    });
  });
  after(async () => program?.remove());

  it('are all compiled', async () => {
    const there = (await readdir(sources)).filter((name) => name.endsWith('.cu'));
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
