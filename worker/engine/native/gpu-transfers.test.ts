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
    const beside = ['gpu_send_lane_gpu', 'gpu_detours_gpu', 'gpu_streams_gpu', 'gpu_words_gpu', 'gpu_pinned_gpu'];
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

  it('come by a queue that forgets what it has copied, though nobody asks how long it is', () => {
    const { stdout, status } = spawnSync(program.file, ['1000'], { encoding: 'utf8' });
    assert.deepEqual([status, Number(stdout)], [0, 1]);
  });

  /** Of each copy, whether it goes by a kernel. */
  const detours = (orders: readonly string[]): string => {
    const { stdout, stderr } = spawnSync(program.file, { input: orders.join('\n'), encoding: 'utf8' });
    assert.equal(stderr, '');
    return stdout.replaceAll('\n', '');
  };
  const times = <T>(count: number, order: T) => Array.from({ length: count }, () => order);

  it('go to the host by a kernel for fifty times once they stood behind others for long, and then are tried again', () => {
    assert.equal(detours(times(104, 'l1')), `0${'1'.repeat(50)}0${'1'.repeat(50)}01`);
    assert.equal(detours(['l1', ...times(53, 's1')]), `0${'1'.repeat(50)}000`);
  });

  it('go there with the others where nothing stands in their way, each target by itself', () => {
    assert.equal(detours(times(60, 's1')), '0'.repeat(60));
    assert.equal(detours(['l1', 's2', 's1', 's2', 's3']), '00100');
  });
});
