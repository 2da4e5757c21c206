import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { logText } from './logs.ts';

/** Which part of a log is wanted; the words are those of a pod's `log` subresource. */
export interface LogQuery {
  follow: boolean;
  timestamps: boolean;
  tailLines?: number;
  /** Lines from this time on, in milliseconds since 1970. */
  sinceMs?: number;
}

/** A followed log is looked at this often. */
const pollMs = 150;
const chunkBytes = 65_536;

/**
 * Lines of a log file, each with its line feed. Following ends when `isOver` holds and nothing is left, or when
 * `signal` aborts. A file that is not there yet is an empty one.
 */
export async function* readLog(
  path: string,
  query: LogQuery,
  isOver: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const wanted = (line: string) => query.sinceMs === undefined || Date.parse(line.slice(0, 24)) >= query.sinceMs;
  const shown = (line: string) => `${query.timestamps ? line.replace(/ std(?:out|err) [FP] /, ' ') : logText(line)}\n`;
  let tail: string[] | undefined = query.tailLines === undefined ? undefined : [];
  const reader = lineReader(path);
  for (;;) {
    // Asked before reading: what was written until now is then read in any case.
    const over = !query.follow || isOver();
    for await (const line of reader()) {
      if (!wanted(line)) continue;
      if (tail === undefined) yield shown(line);
      else if (tail.push(line) > (query.tailLines ?? 0)) tail.shift();
    }
    if (tail !== undefined) for (const line of tail) yield shown(line);
    tail = undefined;
    if (over || signal.aborted) return;
    await sleep(pollMs, undefined, { signal }).catch(() => {});
  }
}

/** Each call reads the whole lines that have been added since the call before. */
function lineReader(path: string): () => AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let position = 0;
  let rest = '';
  return async function* added() {
    const file = await open(path).catch(() => undefined);
    if (file === undefined) return;
    try {
      const buffer = Buffer.alloc(chunkBytes);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
    } finally {
      await file.close();
    }
  };
}
