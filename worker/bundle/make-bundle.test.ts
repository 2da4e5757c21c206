import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BundleRequest } from './arguments.ts';
import { makeBundle } from './make-bundle.ts';
import type { BundlePlan } from './plan.ts';

describe('a bundle', () => {
  let root: string;
  let plan: BundlePlan;
  let request: BundleRequest;
  const library = randomBytes(3 << 20);
  const at = (...names: string[]) => path.join(root, ...names);
  const lines: string[] = [];
  const make = (glibc = '2.17') =>
    makeBundle(plan, request, { glibc, cache: at('cache') }, (line) => {
      lines.push(line);
    });
  const unpack = (args: string[], env: Record<string, string> = {}) => {
    const { status, stderr } = spawnSync('sh', [at('out', 'unpack.sh'), ...args], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', ...env },
    });
    return { status, stderr };
  };

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'hayate-bundle-'));
    lines.length = 0;
    // Stands for Node: says what it was started with.
    writeFileSync(at('node'), `#!/bin/sh\necho "$XDG_CACHE_HOME|\${LD_LIBRARY_PATH:-}|$*"\n`, { mode: 0o755 });
    writeFileSync(at('library.so'), library);
    writeFileSync(at('main.ts'), 'text');
    const binary = (name: string, target: string) => ({
      source: at(name),
      target,
      isStripped: false,
      architectures: undefined,
    });
    plan = {
      binaries: [binary('node', 'bin/node'), binary('library.so', 'cache/library.so')],
      files: [[at('main.ts'), 'app/worker/main.ts']],
      links: [['app/node_modules/@hayate/worker', '../../worker']],
    };
    request = { device: 'gpu', architectures: [90], cuda: 'include', pieceBytes: 1 << 20, out: at('out') };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('comes in pieces that unpack to the same bytes, links and commands, from several folders', async () => {
    const pieces = await make();
    assert.ok(pieces.length >= 3 && pieces.every(({ bytes }) => bytes <= 1 << 20));
    assert.deepEqual(
      readdirSync(root).filter((name) => name.endsWith('.partial')),
      [],
    );
    mkdirSync(at('elsewhere'));
    const first = pieces[0] as { name: string };
    writeFileSync(at('elsewhere', first.name), readFileSync(at('out', first.name)));
    rmSync(at('out', first.name));
    assert.match(unpack([at('new')]).stderr, /hayate-gpu-sm_90\.tar\.00 is missing; put it beside/);
    assert.deepEqual(unpack([at('new'), at('elsewhere')]), { status: 0, stderr: '' });
    assert.ok(readFileSync(at('new', 'cache', 'library.so')).equals(library));
    assert.equal(readFileSync(at('new', 'app', 'node_modules', '@hayate', 'worker', 'main.ts'), 'utf8'), 'text');
    const { stdout } = spawnSync(at('new', 'hayate'), ['bench', 'train', 'a b'], { encoding: 'utf8', env: {} });
    assert.equal(stdout, `${at('new', 'cache')}||${at('new', 'app', 'test/bench/main.ts')} train a b\n`);
  });

  it("looks for the host's CUDA where it was linked", async () => {
    request = { ...request, cuda: 'host', pieceBytes: undefined };
    await make();
    unpack([at('new')]);
    const { stdout } = spawnSync(at('new', 'hayate'), ['doctor'], {
      encoding: 'utf8',
      env: { LD_LIBRARY_PATH: '/own' },
    });
    assert.ok(stdout.includes(`|${at('new', 'cache/hayate/native/nvidia/cuda_runtime/lib')}:/own|`), stdout);
  });

  it('unpacks with python3 where there is no xz', async () => {
    await make();
    mkdirSync(at('bin'));
    const tools = ['tar', 'sha256sum', 'python3', 'getconf', 'sed', 'sort', 'head', 'rm', 'mkdir', 'df', 'awk', 'cat'];
    for (const tool of [...tools, 'dirname', 'chmod', 'mv', 'rmdir', 'sh', 'grep', 'cut', 'tr']) {
      symlinkSync(path.join('/usr/bin', tool), at('bin', tool));
    }
    assert.deepEqual(unpack([at('new')], { PATH: at('bin') }), { status: 0, stderr: '' });
    assert.ok(readFileSync(at('new', 'cache', 'library.so')).equals(library));
    rmSync(at('bin', 'python3'));
    assert.match(unpack([at('other')], { PATH: at('bin') }).stderr, /^xz is missing, and python3 too/);
  });

  it('names the piece that is damaged and leaves nothing', async () => {
    const pieces = await make();
    const { name } = pieces[1] as { name: string };
    const bytes = readFileSync(at('out', name));
    bytes[1000]! ^= 1;
    writeFileSync(at('out', name), bytes);
    const { status, stderr } = unpack([at('new')]);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`${name} is damaged; carry it here again\\.\n$`));
    assert.deepEqual(
      readdirSync(root).filter((entry) => entry.startsWith('new')),
      [],
    );
  });

  it('refuses a folder with something in it, and a C library that is too old', async () => {
    await make('2.99');
    mkdirSync(at('new'));
    assert.match(unpack([at('new')]).stderr, /^The C library must be glibc 2\.99 or newer, here it is 2\.\d+;/);
    mkdirSync(at('full', 'of'), { recursive: true });
    assert.match(unpack([at('full')]).stderr, /is not empty/);
  });

  it('compresses the same bytes once', async () => {
    await make();
    assert.ok(lines.includes('compressing library.so'));
    lines.length = 0;
    const before = readFileSync(at('out', 'unpack.sh'), 'utf8');
    await make();
    assert.deepEqual(
      lines.filter((line) => line.startsWith('compressing')),
      [],
    );
    assert.equal(readFileSync(at('out', 'unpack.sh'), 'utf8'), before);
  });
});
