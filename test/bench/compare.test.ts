import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compareResults, type TrainDocument } from './compare-results.ts';
import { markdownOf, memoryTable, notesOf, textOf, timeTable } from './compare-table.ts';

type Result = TrainDocument['results'][number];
const mib = 2 ** 20;

function document(result: Partial<Result>, gpu = 'NVIDIA H200, 580.1'): TrainDocument {
  const usual: Result = {
    model: 'resnet50',
    batch: 64,
    engine: 'native',
    device: 'gpu',
    precision: 'tf32',
    residentBatch: true,
    windowSeconds: 0.04,
  };
  return { bench: 'train', machine: { cpu: 'Xeon', gpu }, results: [{ ...usual, ...result }] };
}

const ours = document({
  predictedPeakBytes: 1000 * mib,
  measuredPeakBytes: 1000 * mib,
  allocatorPeakBytes: 1050 * mib,
});
const torch = (layout: string, windowSeconds: number, mebibytes: number, variant = 'default') =>
  document({ engine: 'pytorch', layout, windowSeconds, variant, allocatorPeakBytes: mebibytes * mib });
const stock = document({ engine: 'stock-node', windowSeconds: 4, allocatorPeakBytes: 8400 * mib });

describe('bench compare', () => {
  it('takes the fastest layout of each side, and the least memory of PyTorch', () => {
    const documents = [
      document({ windowSeconds: 0.041, handOver: true }),
      ours,
      torch('NCHW', 0.05, 2100),
      torch('NHWC', 0.032, 2200),
      torch('NHWC', 0.03, 2300, 'fused'),
      stock,
    ];
    const comparisons = compareResults(documents);
    assert.equal(comparisons.length, 1);
    assert.deepEqual(timeTable(comparisons).rows, [
      ['resnet50', '64', 'tf32', '40.0', '32.0 NHWC', '1.25', '30.0 NHWC', '1.33', '4000', '100', '41.0', '1.02'],
    ]);
    assert.deepEqual(memoryTable(comparisons).rows, [
      ['resnet50', '64', 'tf32', '1000.0', '1050.0', '1.05', '2100.0', '0.500', '8400.0', '8.00'],
    ]);
    assert.deepEqual(notesOf(comparisons), []);
  });

  it('compares within one precision, batch, picture size and device only, and leaves out what was not measured', () => {
    const others: Partial<Result>[] = [
      { precision: 'float32' },
      { batch: 32, imageSize: 64 },
      { device: 'cpu', precision: 'float32' },
    ];
    const comparisons = compareResults([ours, ...others.map((other) => document({ ...other, engine: 'pytorch' }))]);
    assert.deepEqual(
      timeTable(comparisons).rows.map((row) => row.slice(0, 6)),
      [
        ['resnet50', '64', 'tf32', '40.0', '-', '-'],
        ['resnet50', '64', 'float32', '-', '40.0', '-'],
        ['resnet50 64 px', '32', 'tf32', '-', '40.0', '-'],
        ['resnet50', '64', 'float32, CPU', '-', '40.0', '-'],
      ],
    );
  });

  it('takes the median time of repeated runs and their highest peak', () => {
    const runs = [0.03, 0.09, 0.04].map((windowSeconds, at) =>
      document({ windowSeconds, allocatorPeakBytes: at * mib }),
    );
    const [comparison] = compareResults(runs);
    assert.deepEqual([comparison?.ours?.seconds, comparison?.ours?.peakBytes], [0.04, 2 * mib]);
  });

  it('says what makes sides not comparable', () => {
    const other = document({ engine: 'pytorch' }, 'NVIDIA H100, 580.1');
    const [device, batch] = notesOf(compareResults([document({ residentBatch: false }), other]));
    assert.match(device ?? '', /resnet50 64 tf32: .*H200; NVIDIA H100/);
    assert.match(batch ?? '', /native took a new batch every step/);
  });

  it('prints columns for a terminal and for Markdown', () => {
    const table = {
      title: 'Times',
      head: ['model', 'ms'],
      rows: [
        ['vgg16', '100'],
        ['a', '2'],
      ],
    };
    assert.equal(textOf(table), 'Times\nmodel   ms\nvgg16  100\na        2');
    assert.equal(markdownOf(table), 'Times:\n\n| model | ms  |\n| ----- | --- |\n| vgg16 | 100 |\n| a     | 2   |');
  });

  describe('with a folder', () => {
    let folder = '';
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const compare = (...args: string[]) =>
      promisify(execFile)(process.execPath, [main, 'compare', '--results', folder, ...args]);

    beforeEach(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'hayate-compare-'));
      await writeFile(path.join(folder, 'ours.json'), `a line before\n${JSON.stringify(ours)}\n`);
      await writeFile(path.join(folder, 'torch.json'), JSON.stringify(torch('NCHW', 0.05, 2100)));
      await writeFile(path.join(folder, 'copies.json'), JSON.stringify({ bench: 'copies', results: [] }));
    });

    afterEach(() => rm(folder, { recursive: true }));

    it('reads the last line of every file, and passes over other benchmarks', async () => {
      const { stdout } = await compare('--model', 'resnet50', '--markdown');
      assert.match(stdout, /\| resnet50 \| 64 +\| tf32 +\| 40\.0 +\| 50\.0 NCHW \| 0\.800/);
    });

    it('names every file that is no document, and what it was asked for in vain', async () => {
      await writeFile(path.join(folder, 'failed.json'), 'Traceback');
      await writeFile(path.join(folder, 'odd.json'), '{"bench":"train","results":[]}');
      await assert.rejects(compare(), /failed\.json: its last line is no JSON[^]*odd\.json: .*machine/);
      await Promise.all(['failed', 'odd'].map((name) => rm(path.join(folder, `${name}.json`))));
      await assert.rejects(compare('--precision', 'float32'), /no result is as asked for/);
    });
  });
});
