import type { LogOptions, LogSource } from '../api/logs.ts';
import { logPath, type RunDirectory } from './pod-process.ts';
import { readLog } from './read-log.ts';

/** Serves the logs of a kubelet's pods; a followed one ends when `isRunning` says that its process has. */
export function podLogs(directory: RunDirectory, isRunning: (uid: string) => boolean): LogSource {
  return {
    open({ namespace, name, uid }, options) {
      const path = logPath(directory, { metadata: { namespace, name, uid }, spec: { containers: [] } });
      return limited(
        readLog(path, options, () => !isRunning(uid), options.signal),
        options,
      );
    },
  };
}

async function* limited(lines: AsyncIterable<string>, { limitBytes }: LogOptions): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const line of lines) {
    const bytes = Buffer.from(line);
    yield bytes.subarray(0, left);
    left -= bytes.length;
    if (left <= 0) return;
  }
}
