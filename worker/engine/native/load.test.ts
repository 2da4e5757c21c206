import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { env } from 'node:process';
import { loadAddon } from './addon.ts';
import { cachePaths } from './cache.ts';
import { runCommand } from './command.ts';
import { cpuRelease } from './release.ts';
import { stagingProblem } from './staged.ts';

/** An addon that tells Node of an ABI that no Node has any more. */
const ofAnotherAbi = `
struct node_module {
  int version; unsigned flags; void* handle; const char* file; void* start; void* context_start; const char* name;
  void* data; void* next;
};
extern "C" void node_module_register(void*);
static node_module module = {1, 0, nullptr, "old.cc", nullptr, nullptr, "old", nullptr, nullptr};
__attribute__((constructor)) static void Register() { node_module_register(&module); }
`;

describe('loading the addon', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(path.join(tmpdir(), 'hayate-load-'));
  });
  after(() => rmSync(root, { recursive: true }));

  /** A cache of its own with folders and no addon. */
  const freshCache = (name: string) => {
    const cache = { XDG_CACHE_HOME: path.join(root, name) };
    const paths = cachePaths(cache, cpuRelease);
    for (const folder of [paths.library, paths.addonFolder]) mkdirSync(folder, { recursive: true });
    return { cache, paths };
  };
  const refusal = (sentence: RegExp) => (error: unknown) => {
    const { name, code, message } = error as { name: string; code: string; message: string };
    assert.deepEqual([name, code], ['EngineError', 'engineMissing']);
    assert.match(message, sentence);
    return true;
  };

  it('refuses one of another Node ABI, and says which file to remove', async function () {
    const { cache, paths } = freshCache('abi');
    const source = path.join(root, 'old.cc');
    writeFileSync(source, ofAnotherAbi);
    try {
      await runCommand('g++', ['-shared', '-fPIC', source, '-o', paths.addon]);
    } catch (error) {
      console.log(`      left out: ${(error as Error).message}`);
      this.skip();
    }
    const advice = /NODE_MODULE_VERSION 1\.[\s\S]*; remove .*hayate\.node and run npm run native -- cpu$/;
    assert.throws(() => loadAddon(cpuRelease, cache), refusal(advice));
  });

  it('refuses a file that is no library', () => {
    const { cache, paths } = freshCache('text');
    writeFileSync(paths.addon, 'half a downl');
    assert.throws(
      () => loadAddon(cpuRelease, cache),
      refusal(/cannot be loaded \(.*\); remove .*hayate\.node and run/),
    );
  });

  it('refuses a library of another version, and says which one is there', function () {
    const problem = stagingProblem(env);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    const sentence =
      /^the staged TensorFlow is 2\.21\.0 where 2\.20\.0 is expected; remove .* and run npm run native -- cpu$/;
    assert.throws(() => loadAddon({ ...cpuRelease, version: '2.20.0' }, env), refusal(sentence));
  });
});
