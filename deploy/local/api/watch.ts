import { type Backend, storeKey } from './backend.ts';
import { StatusError } from './errors.ts';
import { selection } from './list.ts';
import type { KubeObject } from './object.ts';
import { type ResourceTarget, truth, wholeNumber } from './request.ts';
import type { StoreEvent } from './store.ts';

/** One line of a watch. */
export type WatchLine =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: KubeObject }
  | { type: 'BOOKMARK'; version: string; endsInitialEvents: boolean }
  | { type: 'ERROR'; status: object };

/** Where a watch writes to, a connection as a rule. */
export interface WatchSink {
  /** False if the client does not keep up and the watch should end. */
  write(line: WatchLine): boolean;
  end(): void;
}

/** What a query asks of a watch, read and checked before the first byte of the answer. */
export interface WatchPlan {
  bookmarks: boolean;
  /** Ends the watch after this time; undefined = never. */
  timeoutMs: number | undefined;
  /** Version to go on from; undefined = begin with the objects that are there. */
  since: number | 'now' | undefined;
  /** Marks the end of the initial objects with a bookmark. */
  marksInitialEvents: boolean;
  inView: (object: KubeObject) => boolean;
}

/** Reads the options of a watch. Throws 400 and 422. */
export function planWatch(target: ResourceTarget, query: URLSearchParams): WatchPlan {
  const bookmarks = truth(query, 'allowWatchBookmarks');
  const initial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch');
  if (initial !== null && match !== 'NotOlderThan')
    throw invalidOptions(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  if (initial === null && match !== null)
    throw invalidOptions(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  const version = wholeNumber(query, 'resourceVersion') ?? 0;
  const wantsInitial = initial === null ? version === 0 : truth(query, 'sendInitialEvents');
  const seconds = wholeNumber(query, 'timeoutSeconds') ?? 0;
  const selected = selection(query, target);
  const { namespace, name } = target;
  return {
    bookmarks,
    timeoutMs: seconds === 0 ? undefined : Math.min(seconds * 1000, 2 ** 31 - 1),
    since: wantsInitial ? undefined : version === 0 ? 'now' : version,
    marksInitialEvents: initial !== null && wantsInitial && bookmarks,
    inView: (object) =>
      (namespace === undefined || object.metadata.namespace === namespace) &&
      (name === undefined || object.metadata.name === name) &&
      selected(object),
  };
}

function invalidOptions(cause: string): StatusError {
  return new StatusError(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${cause}`);
}

/** Writes changes to the sink until the returned function is called, the time is over or the client falls behind. */
export function startWatch(
  backend: Backend,
  target: ResourceTarget,
  plan: WatchPlan,
  sink: WatchSink,
  bookmarkMs: number,
): () => void {
  const { store } = backend;
  const resource = storeKey(target.type);
  const timers: NodeJS.Timeout[] = [];
  let live = true;
  let unlisten: (() => void) | undefined;
  const stop = (): void => {
    if (!live) return;
    live = false;
    unlisten?.();
    for (const timer of timers) clearTimeout(timer);
    sink.end();
  };
  const write = (line: WatchLine): void => {
    if (live && !sink.write(line)) stop();
  };
  const show = (event: StoreEvent): void => {
    const line = event.resource === resource ? lineOf(event, plan.inView) : undefined;
    if (line !== undefined) write(line);
  };
  const bookmark = (endsInitialEvents: boolean): void =>
    write({ type: 'BOOKMARK', version: String(store.version), endsInitialEvents });

  try {
    if (plan.since === undefined) {
      for (const object of store.list(resource, target.namespace).filter(plan.inView)) write({ type: 'ADDED', object });
      if (plan.marksInitialEvents) bookmark(true);
    } else if (plan.since !== 'now') for (const event of store.since(plan.since)) show(event);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    write({ type: 'ERROR', status: error.toStatus() });
    stop();
    return stop;
  }
  if (!live) return stop;
  unlisten = store.listen(show);
  if (plan.bookmarks) timers.push(setInterval(() => bookmark(false), bookmarkMs));
  if (plan.timeoutMs !== undefined) timers.push(setTimeout(stop, plan.timeoutMs));
  return stop;
}

/** What a watcher of a selection sees of a change: an object that leaves it is deleted for the watcher, one that enters is new. */
function lineOf(event: StoreEvent, inView: (object: KubeObject) => boolean): WatchLine | undefined {
  const before = event.old !== undefined && inView(event.old);
  const after = event.type !== 'DELETED' && inView(event.object);
  if (before && after) return { type: 'MODIFIED', object: event.object };
  if (after) return { type: 'ADDED', object: event.object };
  if (!before || event.old === undefined) return undefined;
  // As it was last seen in the selection, under the version of the change that took it out.
  const { resourceVersion } = event.object.metadata;
  const last = { ...event.old, metadata: { ...event.old.metadata, resourceVersion: resourceVersion! } };
  return { type: 'DELETED', object: event.type === 'DELETED' ? event.object : last };
}
