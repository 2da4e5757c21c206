#!/usr/bin/env node
// Plain JavaScript for old runtimes: everything else needs Node 24, which npm installs beside us, so any Node can start it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = join(dirname(fileURLToPath(import.meta.url)), 'cli', 'main.ts');

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main);
} else {
  const node = installedNode();
  if (node === undefined) {
    console.error(
      `hayate: Node 24 is missing (this is ${process.version} on ${process.platform}-${process.arch}); ` +
        'run npm ci without --omit=optional, or install Node 24',
    );
    process.exitCode = 1;
  } else {
    const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      console.error(`hayate: ${node} could not be started: ${error.message}; run npm ci again`);
      process.exitCode = 1;
    });
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? 128 + constants.signals[signal];
    });
  }
}

/** Path of the Node that came with npm ci, if it is there. */
function installedNode() {
  try {
    const name = `node-${process.platform}-${process.arch}`;
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node');
  } catch {
    return undefined;
  }
}
