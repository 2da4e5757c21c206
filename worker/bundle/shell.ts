import { spawn } from 'node:child_process';
import { BundleError } from './bundle-error.ts';

/** Runs a shell command with arguments $1 … and returns what it prints. Throws {@link BundleError} if it fails. */
export function runShell(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command, 'sh', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    let complained = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complained = (complained + text).slice(-2000);
    });
    child.once('error', (cause) => reject(new BundleError([`sh cannot be started: ${cause.message}.`], { cause })));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(printed);
      else reject(new BundleError([`${command.split(' ')[0]} ended with ${signal ?? code}: ${complained.trim()}`]));
    });
  });
}
