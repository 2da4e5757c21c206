import { spawn } from 'node:child_process';
import { StagingError } from './staging-error.ts';

/**
 * Runs a program to its end, with `env` added to this process's environment. Throws {@link StagingError} with the end
 * of what it printed if it fails.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let printed = '';
    const keep = (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (cause) =>
      reject(new StagingError([`${command} cannot be started: ${cause.message}.`], { cause })),
    );
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(new StagingError([`${command} ended with ${signal ?? code}:\n${printed.trim()}`], { retryable: true }));
    });
  });
}
