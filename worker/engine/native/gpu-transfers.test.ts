import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { writeKernels } from './checks/kernel-sources.ts';
import { compileProgram, needHeaders, type Program } from './checks/program.ts';

const seeds = 60;

describe('gradients and sums of a GPU, on an emulated one that does everything as late as it may', () => {
  let program: Program;

  before(async function () {
    this.timeout(180_000);
    needHeaders(this);
    const own = ['gpu_kernels_gpu', 'best_fit', 'gpu_arrivals_gpu', 'gpu_departures_gpu', 'gpu_transfers_gpu'];
    const beside = ['gpu_send_lane_gpu', 'gpu_turns_gpu', 'gpu_streams_gpu', 'gpu_words_gpu', 'gpu_pinned_gpu'];
    program = await compileProgram('gpu-transfers', [...own, ...beside], ['-w'], async (folder) => {
      await writeKernels(folder);
    });
  });
  after(async () => program?.remove());

  it('leave and come whole, whatever uses their memory before and afterwards, and hold nobody up for ever', async function () {
    this.timeout(120_000);
    // The program ends with 1 and says the seed where it sees another's numbers, or where host and GPU wait for each other.
    const { stdout } = await promisify(execFile)(program.file, ['1', String(seeds)]);
    const [sent, waited, brought, tooEarly, settledBefore, settledAfter] = stdout.trim().split(' ').map(Number);
    for (const count of [sent, waited, brought, tooEarly, settledBefore, settledAfter]) {
      assert.ok((count as number) > seeds, `all ways are taken often: ${stdout}`);
    }
  });

  /** What a driver is asked for by 20 MiB that come and leave again. */
  const asked = (...refusing: string[]): string[] => {
    const { stdout, stderr, status } = spawnSync(program.file, refusing, { encoding: 'utf8' });
    assert.deepEqual([stderr, status], ['', 0]);
    return stdout.trim().split('\n');
  };
  const mib = 2 ** 20;

  it('go in pieces where they are large, and the GPU waits before each, so that its engine turns to what is small', () => {
    const pieces = [8, 8, 4];
    assert.deepEqual(
      asked(),
      ['in', 'out'].flatMap((way) => pieces.flatMap((piece) => ['wait', `${way} ${piece * mib}`])),
    );
  });

  it('go whole where the driver cannot wait for a word', () => {
    assert.deepEqual(asked('refusing'), [`in ${20 * mib}`, `out ${20 * mib}`]);
  });
});
