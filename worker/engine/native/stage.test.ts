import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachePaths } from './cache.ts';
import { withLock } from './lock.ts';
import { type Machine, missingFor } from './machine.ts';
import { cpuRelease, gpuRelease, type Release } from './release.ts';
import { StagingError } from './staging-error.ts';
import { stageLibrary } from './wheel.ts';

const able: Machine = {
  platform: 'linux-x64',
  glibc: '2.36',
  python: 'Python 3.11.2',
  pip: 'pip 23',
  compiler: 'g++ 12',
  nodeHeaders: '/node/include',
  freeBytes: 1e12,
  gpus: [],
  visibleDevices: undefined,
  memoryLimitMib: undefined,
  cudaFiles: [],
};
const all = { library: true, addon: true };

describe('missingFor', () => {
  it('finds nothing missing on a machine that has everything', () => {
    assert.deepEqual(missingFor(cpuRelease, able, all), []);
  });

  it('names all that is missing at once', () => {
    const bare = {
      ...able,
      glibc: '2.17',
      python: undefined,
      pip: undefined,
      compiler: undefined,
      nodeHeaders: undefined,
    };
    const problems = missingFor(cpuRelease, { ...bare, freeBytes: 1e6 }, all).join('\n');
    for (const word of [/glibc 2\.27.* 2\.17/, /python3/, /1\.5 GB.*0\.0 GB/, /g\+\+/, /npm install/]) {
      assert.match(problems, word);
    }
  });

  it('asks for pip where python3 is there, and for another machine where it is no linux-x64', () => {
    assert.match(missingFor(cpuRelease, { ...able, pip: undefined }, all).join(), /^pip is missing/);
    assert.match(missingFor(cpuRelease, { ...able, platform: 'darwin-arm64' }, all).join(), /darwin-arm64/);
  });

  it('takes musl for no glibc', () => {
    assert.match(missingFor(cpuRelease, { ...able, glibc: undefined }, all).join(), /another one/);
  });

  it('counts the disk that the CUDA libraries need', () => {
    const tight = { ...able, freeBytes: 4e9 };
    assert.deepEqual(missingFor(gpuRelease, tight, all), []);
    assert.match(missingFor(gpuRelease, tight, { ...all, cudaBytes: 4.7e9 }).join(), /8\.2 GB.*4\.0 GB are free/);
    const poor = { ...tight, python: undefined };
    assert.match(missingFor(gpuRelease, poor, { library: false, addon: false, cudaBytes: 1 }).join(), /^python3/);
  });

  it('asks for nothing that is not needed any more', () => {
    const poor = { ...able, python: undefined, pip: undefined, freeBytes: 0 };
    assert.deepEqual(missingFor(cpuRelease, poor, { library: false, addon: true }), []);
  });
});

describe('cachePaths', () => {
  it('lie in XDG_CACHE_HOME, else in the home directory, else in a place of the system', () => {
    const roots = [{ XDG_CACHE_HOME: '/x', HOME: '/h' }, { XDG_CACHE_HOME: '', HOME: '/h' }, {}].map(
      (env) => cachePaths(env, cpuRelease).root,
    );
    assert.deepEqual(roots, ['/x/hayate/native', '/h/.cache/hayate/native', '/var/cache/hayate/native']);
  });

  it('have another addon for another library', () => {
    const [one, other] = [cpuRelease, { ...cpuRelease, sha256: 'x' }].map((release) => cachePaths({}, release).addon);
    assert.notEqual(one, other);
  });
});

describe('withLock', () => {
  it('lets one in after the other', async () => {
    const name = `test ${process.pid}`;
    const log: string[] = [];
    const second = Promise.withResolvers<undefined>();
    const entered = Promise.withResolvers<undefined>();
    const first = async () => {
      log.push('one');
      entered.resolve(undefined);
      await second.promise;
      log.push('done');
    };
    const one = withLock(name, first, () => {});
    await entered.promise;
    const two = withLock(
      name,
      async () => void log.push('two'),
      () => {
        log.push('waits');
        second.resolve(undefined);
      },
    );
    await Promise.all([one, two]);
    assert.deepEqual(log, ['one', 'waits', 'done', 'two']);
  });

  it('is free again when its process was killed', async () => {
    const name = `test killed ${process.pid}`;
    const lock = JSON.stringify(new URL('./lock.ts', import.meta.url).href);
    const code = `import(${lock}).then(({ withLock }) => withLock(${JSON.stringify(name)}, () => {
      console.log('held');
      return new Promise(() => setInterval(() => {}, 1000));
    }, () => {}));`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    let waited = false;
    const entered = withLock(
      name,
      () => Promise.resolve(true),
      () => {
        waited = true;
        child.kill('SIGKILL');
      },
    );
    assert.deepEqual([await entered, waited], [true, true]);
  });
});

describe('stageLibrary', () => {
  let root: string;
  let release: Release;
  const wheelText = 'a wheel';
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'hayate-stage-'));
    release = { ...cpuRelease, sha256: createHash('sha256').update(wheelText).digest('hex') };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** A python3 whose pip brings `brought` and whose unpacker makes a library, in front of the real one. */
  const withPython = async (brought: string, body: () => Promise<void>) => {
    const bin = path.join(root, 'bin');
    mkdirSync(bin);
    const script = `#!/bin/sh
if [ "$1" = -c ]; then mkdir -p "$4/tensorflow/include" && exit; fi
for last; do :; done
echo "$@" >> ${root}/asked
printf '${brought}' > "$last/some.whl"
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

  it('leaves the library and nothing else', async () => {
    const paths = cachePaths({ XDG_CACHE_HOME: root }, release);
    await withPython(wheelText, () => stageLibrary(release, paths, () => {}));
    assert.deepEqual(readdirSync(paths.root), [release.name]);
    assert.ok(existsSync(path.join(paths.library, 'include')));
  });

  it('refuses a wheel with another digest and removes it', async () => {
    const paths = cachePaths({ XDG_CACHE_HOME: root }, release);
    await withPython('another', () =>
      assert.rejects(
        stageLibrary(release, paths, () => {}),
        (error: unknown) => error instanceof StagingError && error.message.includes(release.sha256),
      ),
    );
    assert.deepEqual(readdirSync(paths.download), []);
    assert.ok(!existsSync(paths.library));
  });

  it('goes on with a wheel that is whole, and fetches one that is not again', async () => {
    const paths = cachePaths({ XDG_CACHE_HOME: root }, release);
    mkdirSync(paths.download, { recursive: true });
    writeFileSync(path.join(paths.download, 'some.whl'), wheelText.slice(1));
    await withPython(wheelText, async () => {
      await stageLibrary(release, paths, () => {});
      assert.ok(existsSync(path.join(root, 'asked')));
      rmSync(path.join(root, 'asked'));
      rmSync(paths.library, { recursive: true });
      mkdirSync(paths.download, { recursive: true });
      writeFileSync(path.join(paths.download, 'some.whl'), wheelText);
      await stageLibrary(release, paths, () => {});
    });
    assert.ok(!existsSync(path.join(root, 'asked')));
  });
});
