import { type Backend, storeKey, typeOfKey } from './backend.ts';

/** Events kept at most; the oldest go first. */
const maxEvents = 5000;
const sweepMs = 30_000;

/** Deletes events that are older than `ttlMs`, or too many, until the returned function stops it. */
export function forgetOldEvents(backend: Backend, ttlMs: number): () => void {
  const type = typeOfKey(backend, 'events');
  if (type === undefined) return () => {};
  const sweep = (): void => {
    const key = storeKey(type);
    const born = (object: { metadata: { creationTimestamp?: string } }): number =>
      Date.parse(object.metadata.creationTimestamp ?? '');
    const newestFirst = backend.store.list(key).sort((a, b) => born(b) - born(a));
    const limit = backend.now().getTime() - ttlMs;
    newestFirst.forEach((event, index) => {
      if (index >= maxEvents || born(event) < limit) backend.store.remove(key, event);
    });
  };
  const timer = setInterval(sweep, Math.min(sweepMs, ttlMs));
  timer.unref();
  return () => clearInterval(timer);
}
