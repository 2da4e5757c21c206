import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.resolve(import.meta.dirname, '../..');
const hayate = path.join(root, 'deploy/local/hayate.js');
const examples = globSync('crds/examples/*.yaml', { cwd: root });

/** The last line of `--json`, as far as it is looked at here. */
interface FinishedEvent {
  event: string;
  phase: string;
  accuracy: number;
  ranks: { rank: number; weightsDigest: string }[];
  memory: { predictedPeakBytes: number; measuredPeakBytes: number; stockPeakBytes: number };
}

describe('every example', () => {
  it('is there to be run', () => assert.ok(examples.length >= 2));

  for (const example of examples) {
    it(`runs to its end and learns what it should: ${path.basename(example)}`, async function () {
      this.timeout(240_000);
      const directory = await mkdtemp(path.join(tmpdir(), 'hayate-example-'));
      try {
        const args = [hayate, 'run', path.join(root, example), '--json', '--directory', directory];
        const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory });
        const events = stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as FinishedEvent);
        const finished = events.at(-1);
        assert.ok(finished !== undefined);
        assert.equal(finished.event, 'finished');
        assert.equal(finished.phase, 'Succeeded');
        assert.ok(finished.accuracy >= 0.97, `accuracy ${finished.accuracy}`);
        assert.ok(finished.ranks.length > 1);
        assert.equal(new Set(finished.ranks.map((rank) => rank.weightsDigest)).size, 1);
        assert.equal(finished.memory.measuredPeakBytes, finished.memory.predictedPeakBytes);
        assert.ok(finished.memory.measuredPeakBytes < finished.memory.stockPeakBytes);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  }
});
