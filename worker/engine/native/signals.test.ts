import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { env, execPath } from 'node:process';
import { promisify } from 'node:util';
import { stagingProblem } from './staged.ts';

/** Products of matrices as a dense layer has them, one after another; says whether all were the same. */
const products = `
  import { openNativeEngine } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)};
  const engine = openNativeEngine();
  const matrix = (rows, columns) =>
    engine.upload(Float32Array.from({ length: rows * columns }, (_, i) => (i % 97) / 1000), [rows, columns], 'float32');
  const [a, b] = [matrix(64, 784), matrix(784, 10)];
  const attrs = { transposeA: false, transposeB: false };
  const node = { id: 0, kernel: 'BatchMatMul', inputs: { a: 0, b: 1 }, attrs, outputs: [2], layer: 1, role: 'forward' };
  const sums = new Set();
  for (let i = 0; i < 20_000; i++) {
    const [product] = engine.run(node, { a, b });
    sums.add(engine.read(product).reduce((sum, value) => sum + value, 0));
    engine.free(product);
  }
  console.log(sums.size);`;

describe('native engine under a profiler', () => {
  it('computes the same, whatever signals come in', async function () {
    this.timeout(60_000);
    const problem = stagingProblem(env, 'cpu');
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    const folder = await mkdtemp(path.join(tmpdir(), 'hayate-profile-'));
    try {
      const profiling = ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', folder];
      const script = ['--input-type=module', '--eval', products];
      const { stdout } = await promisify(execFile)(execPath, [...profiling, ...script], { env });
      assert.equal(stdout.trim(), '1');
      assert.equal((await readdir(folder)).length, 1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
