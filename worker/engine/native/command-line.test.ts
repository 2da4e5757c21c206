import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execPath } from 'node:process';

const main = path.join(import.meta.dirname, 'main.ts');

describe('npm run native', function () {
  this.timeout(20_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'hayate-native-'));
    mkdirSync(path.join(root, 'bin'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Runs a command where PATH leads to `bin` alone and nothing is staged. */
  const run = (command: string, env: Record<string, string> = {}) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const all = { PATH: path.join(root, 'bin'), XDG_CACHE_HOME: path.join(root, 'cache'), ...env };
      execFile(execPath, [main, command], { env: all }, (error, out, err) =>
        resolve({ code: Number(error?.code ?? 0), out, err }),
      );
    });

  for (const device of ['cpu', 'gpu']) {
    it(`names all that staging for the ${device} lacks here, ends with 1 and leaves nothing`, async () => {
      const { code, out, err } = await run(device);
      assert.deepEqual([code, out], [1, '']);
      const lines = err.trim().split('\n');
      assert.equal(lines.length, 2, err);
      assert.match(err, /^python3 is missing; install it/m);
      assert.match(err, /^g\+\+ is missing; install a C\+\+17 compiler/m);
      assert.deepEqual(existsSync(path.join(root, 'cache')) ? readdirSync(path.join(root, 'cache')) : [], []);
    });
  }

  it('has the doctor tell everything that keeps a GPU from being used', async () => {
    const card = 'echo "GPU-$i, NVIDIA A100, 515.105.01, 40960, 8.0"';
    const smi = `#!/bin/sh\nfor i in 0 1; do ${card}; done\n`;
    writeFileSync(path.join(root, 'bin', 'nvidia-smi'), smi, { mode: 0o755 });
    const { code, out } = await run('doctor', { HAYATE_GPU_MEMORY_LIMIT_MIB: '50000' });
    assert.equal(code, 1);
    const [use = ''] = out.split('\n').filter((line) => line.startsWith('GPU use'));
    for (const reason of [
      /not used: 2 GPUs are visible where there must be one; set CUDA_VISIBLE_DEVICES=0/,
      /HAYATE_GPU_MEMORY_LIMIT_MIB is 50000 and the NVIDIA A100 has 40960 MiB/,
      /driver 515\.105\.01 is too old/,
      /CUDA libraries are missing: libcu/,
      /the engine does not load/,
    ]) {
      assert.match(use, reason);
    }
    assert.match(out, /^missing +python3 is missing/m);
  });
});
