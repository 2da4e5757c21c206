import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { compileProgram, needHeaders, type Program } from './checks/program.ts';

describe('a probe of a convolution', () => {
  let program: Program;

  before(async function () {
    this.timeout(60_000);
    needHeaders(this);
    program = await compileProgram(
      'precision-probe',
      ['precision_probe', 'gpu_precision_gpu', 'cuda_driver_gpu'],
      ['-w'],
    );
  });
  after(async () => program?.remove());

  it('tells float32 from factors that were rounded to TF32 or bfloat16, for any sizes and both layouts, and tries nothing without memory', () => {
    const { stdout, stderr, status } = spawnSync(program.file, ['1'], { encoding: 'utf8' });
    assert.deepEqual([stderr, status], ['', 0]);
    const [tried, without] = stdout.trim().split(' ').map(Number) as [number, number];
    assert.ok(tried === 3000 && without < tried / 2, stdout);
  });
});
