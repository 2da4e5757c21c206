import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BundleError } from './bundle-error.ts';
import { loadedFiles } from './module-graph.ts';
import { type Resolve, resolveAsNode } from './resolution.ts';

describe('what a bundle holds of this checkout', () => {
  it('includes every script that a benchmark or a worker starts as a thread or a process of its own', () => {
    const root = path.resolve(import.meta.dirname, '../..');
    const own: Resolve = (reference, specifier, from) =>
      specifier.startsWith('.') ? resolveAsNode(reference, specifier, from) : 'builtin';
    const files = new Set(loadedFiles(root, ['test/bench/main.ts', 'worker/main.ts'], own));
    const bench = [
      'allreduce-rank.ts',
      'train-rank.ts',
      'train-rank-thread.ts',
      'train-rank-resident.ts',
      'programs/vgg.ts',
    ];
    const threads = ['worker/compute/thread.ts', 'worker/communication/lane-thread.ts'];
    for (const file of [...bench.map((name) => `test/bench/${name}`), ...threads]) assert.ok(files.has(file), file);
  });
});

describe('loadedFiles', () => {
  let root: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(path.join(tmpdir(), 'hayate-graph-')));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
  };
  const loaded = () => loadedFiles(root, ['main.ts'], resolveAsNode).filter((name) => name !== 'package.json');

  it('follows imports of every kind, threads and data, and no types', () => {
    write({
      'main.ts': `import fs from 'node:fs';
import { a,
  type Other } from './a.ts';
import type { Type } from './type.ts';
import './effect.ts';
export * from './all.ts';
const later = () => import('./later.ts');
new Worker(new URL('./thread.ts', import.meta.url));
fork(path.join(import.meta.dirname, 'child.ts'));
const script = 'script.py';`,
      ...Object.fromEntries(
        ['a', 'type', 'effect', 'all', 'later', 'thread', 'child', 'apart'].map((name) => [`${name}.ts`, '']),
      ),
      'script.py': '',
    });
    const expected = ['a.ts', 'all.ts', 'child.ts', 'effect.ts', 'later.ts', 'main.ts', 'script.py', 'thread.ts'];
    assert.deepEqual(loaded(), expected);
  });

  it('takes the file of a package that Node takes, and its package.json', () => {
    write({
      'main.ts': `import 'two';\nimport one from 'one';`,
      'node_modules/two/package.json':
        '{"name":"two","type":"module","exports":{"import":"./esm.js","require":"./cjs.js"}}',
      'node_modules/two/esm.js': '',
      'node_modules/two/cjs.js': '',
      'node_modules/one/package.json': '{"name":"one","main":"lib/main"}',
      'node_modules/one/lib/main.js': `require('./part'); require('two'); require('not-installed'); read('one.wasm')`,
      'node_modules/one/lib/part.js': '',
      'node_modules/one/lib/one.wasm': '',
      'node_modules/one/lib/other.js': '',
    });
    assert.deepEqual(loaded(), [
      'main.ts',
      'node_modules/one/lib/main.js',
      'node_modules/one/lib/one.wasm',
      'node_modules/one/lib/part.js',
      'node_modules/one/package.json',
      'node_modules/two/cjs.js',
      'node_modules/two/esm.js',
      'node_modules/two/package.json',
    ]);
  });

  it('names everything of ours that is missing, at once', () => {
    write({ 'main.ts': `import './gone.ts';\nimport 'not-installed';` });
    assert.throws(loaded, (error: unknown) => {
      assert.ok(error instanceof BundleError);
      assert.deepEqual(
        error.problems.map((problem) => /needs (\S+),/.exec(problem)?.[1]),
        ['./gone.ts', 'not-installed'],
      );
      return true;
    });
  });
});
