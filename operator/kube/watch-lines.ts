import { ApiError } from './errors.ts';
import type { KubeObject } from './object.ts';

/** One line of a watch. ERROR lines never appear: they are thrown as {@link ApiError}. */
export interface WatchEvent<T extends KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

/** Longest accepted line; an API server refuses objects well below this. */
const maxLineLength = 16 * 1024 * 1024;

const types: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/**
 * Splits a watch's text into events. A line that is cut off or is not an event throws, since whatever it said is lost:
 * the caller must list again or watch again from the version it had.
 */
export async function* watchEvents<T extends KubeObject>(chunks: AsyncIterable<string>): AsyncGenerator<WatchEvent<T>> {
  let rest = '';
  for await (const chunk of chunks) {
    rest += chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line.trim() !== '') yield parse<T>(line);
    }
    if (rest.length > maxLineLength) throw new ApiError(0, 'BadWatchLine', 'a watch line is longer than 16 MiB');
  }
  if (rest.trim() !== '') throw new ApiError(0, 'BadWatchLine', 'the watch ended inside a line');
}

function parse<T extends KubeObject>(line: string): WatchEvent<T> {
  let event: { type?: unknown; object?: { code?: number; reason?: string; message?: string; metadata?: unknown } };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new ApiError(0, 'BadWatchLine', `a watch line is not JSON: ${line.slice(0, 80)}`, { cause });
  }
  const object = event?.object;
  if (event?.type === 'ERROR') {
    throw new ApiError(object?.code ?? 500, object?.reason ?? '', object?.message ?? 'the watch reported an error');
  }
  if (!types.has(event?.type) || typeof object?.metadata !== 'object' || object.metadata === null) {
    throw new ApiError(0, 'BadWatchLine', `a watch line is not an event: ${line.slice(0, 80)}`);
  }
  return event as unknown as WatchEvent<T>;
}
