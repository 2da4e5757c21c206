import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endLeftovers } from './guard.ts';
import { signalGroup } from './process.ts';

const guardModule = fileURLToPath(new URL('./guard.ts', import.meta.url));

/** A process that never ends by itself, in a group of its own. */
function endless(env: Record<string, string>): ChildProcess {
  return spawn('/bin/sh', ['-c', 'while :; do sleep 60; done'], { detached: true, stdio: 'ignore', env });
}

describe('ProcessGuard', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hayate-guard-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('ends the processes of a kubelet that was killed', async () => {
    const worker = endless({});
    const workerEnd = once(worker, 'exit');
    const pids = join(directory, 'pids');
    const program = `import { ProcessGuard } from ${JSON.stringify(guardModule)};
      new ProcessGuard(${JSON.stringify(pids)}).add(${worker.pid}, 'default/a');
      console.log('guarded'); setInterval(() => {}, 1000);`;
    const kubelet = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(kubelet.stdout, 'data');
      kubelet.kill('SIGKILL');
      const patience = AbortSignal.timeout(5000);
      await Promise.race([workerEnd, once(patience, 'abort')]);
      assert.equal(worker.signalCode, 'SIGKILL');
    } finally {
      kubelet.kill('SIGKILL');
      signalGroup(worker.pid ?? 0, 'SIGKILL');
    }
  });
});

describe('endLeftovers', () => {
  it('ends what names this hosts file and nothing else that has the same number', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hayate-leftovers-'));
    const ours = endless({ HAYATE_HOSTS_FILE: '/run/a/hosts.json' });
    const other = endless({ HAYATE_HOSTS_FILE: '/run/b/hosts.json' });
    const oursEnd = once(ours, 'exit');
    try {
      for (const child of [ours, other]) writeFileSync(join(directory, String(child.pid)), 'x');
      assert.equal(endLeftovers(directory, '/run/a/hosts.json'), 1);
      assert.deepEqual(await oursEnd, [null, 'SIGKILL']);
      assert.equal(other.exitCode ?? other.signalCode, null);
      assert.ok(!existsSync(join(directory, String(ours.pid))));
    } finally {
      signalGroup(other.pid ?? 0, 'SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('finds nothing in a directory that is not there', () => {
    assert.equal(endLeftovers('/does/not/exist', '/x'), 0);
  });
});
