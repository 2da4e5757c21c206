import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cudaLibraryFolder } from './cuda.ts';
import { linkHostCuda } from './cuda-host.ts';

describe('linkHostCuda', () => {
  let root: string;
  let host: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(path.join(tmpdir(), 'hayate-host-')));
    host = path.join(root, 'host');
    mkdirSync(path.join(host, 'deep'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const put = (...names: string[]) => {
    for (const name of names) writeFileSync(path.join(host, 'deep', name), '');
  };
  const linked = (name: string) => readlinkSync(path.join(cudaLibraryFolder(root), name));

  it('gives libraries of another major the names that TensorFlow asks for, and keeps their own', () => {
    put('libcublas.so.13', 'libcublas.so.9', 'libcublasLt.so.13', 'libcudnn.so.9', 'libcudnn.so.8', 'notes.txt');
    const { linked: found, missing } = linkHostCuda([host], root);
    assert.deepEqual(Object.fromEntries(found)['libcublas.so.12'], path.join(host, 'deep', 'libcublas.so.13'));
    assert.equal(linked('libcublas.so.13'), path.join(host, 'deep', 'libcublas.so.13'));
    assert.equal(linked('libcudnn.so.9'), path.join(host, 'deep', 'libcudnn.so.9'));
    assert.deepEqual(missing.includes('libcufft.so.11'), true);
    assert.equal(found.length, 3);
  });

  it('keeps a library that was packed, and ends where folders lead in circles', () => {
    const own = cudaLibraryFolder(root);
    mkdirSync(own, { recursive: true });
    writeFileSync(path.join(own, 'libcudart.so.12'), '');
    symlinkSync(host, path.join(host, 'deep', 'again'));
    put('libcudart.so.13');
    const { linked: found } = linkHostCuda([host], root);
    assert.deepEqual(found, [['libcudart.so.12', path.join(own, 'libcudart.so.12')]]);
  });

  it('refuses a cache in which libraries are staged', () => {
    symlinkSync('cuda-1', path.join(root, 'nvidia'));
    assert.throws(() => linkHostCuda([host], root), /staged in .* already; remove/);
  });
});
