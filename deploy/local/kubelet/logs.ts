import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';

type Stream = 'stdout' | 'stderr';

/**
 * Log of one pod: each line as `<RFC 3339 time> <stdout|stderr> <F|P> <text>`, the form of the Kubernetes container
 * runtime interface. P marks a line that was cut (longer than 64 KiB, or without an end when the process ended).
 */
export class LogWriter {
  readonly #file: WriteStream;
  readonly #now: () => number;
  readonly #pending: Record<Stream, string> = { stdout: '', stderr: '' };
  /** A character may arrive in two chunks. */
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  #problem: string | undefined;

  /** `onProblem` hears one sentence when the log can no longer be written; the process runs on. */
  constructor(path: string, now: () => number, onProblem: (sentence: string) => void) {
    this.#now = now;
    this.#file = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.#file.on('error', (error: NodeJS.ErrnoException) => {
      this.#problem ??= diskProblem(path, error);
      onProblem(this.#problem);
    });
  }

  /** Takes a chunk of output; false = wait for {@link drained} before the next one. */
  write(stream: Stream, chunk: Buffer): boolean {
    if (this.#problem !== undefined) return true;
    const lines = (this.#pending[stream] + this.#decoders[stream].write(chunk)).split('\n');
    let rest = lines.pop() ?? '';
    for (const line of lines) this.#line(stream, 'F', line);
    while (rest.length > longestLine) {
      this.#line(stream, 'P', rest.slice(0, longestLine));
      rest = rest.slice(longestLine);
    }
    this.#pending[stream] = rest;
    return !this.#file.writableNeedDrain;
  }

  async drained(): Promise<void> {
    if (this.#problem === undefined && this.#file.writableNeedDrain) await once(this.#file, 'drain').catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#problem !== undefined) return;
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#pending[stream] !== '') this.#line(stream, 'P', this.#pending[stream]);
    }
    this.#file.end();
    await finished(this.#file).catch(() => {});
  }

  #line(stream: Stream, tag: 'F' | 'P', text: string): void {
    this.#file.write(`${new Date(this.#now()).toISOString()} ${stream} ${tag} ${text}\n`);
  }
}

const longestLine = 65_536;

/** What the process wrote, without the time and stream of a log line. */
export function logText(line: string): string {
  return line.replace(/^\S+ std(?:out|err) [FP] /, '');
}

/** One sentence for a failed write: what is full or forbidden, and what to do. */
export function diskProblem(path: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full: ${path} could not be written; free some space and start again`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} may not be written; choose a writable directory`;
    case undefined:
    default:
      return `${path} could not be written: ${error.message}`;
  }
}
