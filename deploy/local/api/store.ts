import { expired } from './errors.ts';
import type { KubeObject } from './object.ts';

/** One change, with the object before it: a watch by selector needs both to tell entering from leaving. */
export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** Key of the resource, for example `pods` or `trainingjobs.hayate.dev`. */
  resource: string;
  version: number;
  /** After the change; for DELETED the last state, under the version of the deletion. */
  object: KubeObject;
  old?: KubeObject;
}

/** Called after every change, in order of versions. */
export type StoreListener = (event: StoreEvent) => void;

/**
 * All objects, in memory. One version counter serves every resource and only grows; the event log is bounded and reaches
 * back far enough for a watch to go on after a lost connection and for a list to show all pages at one version.
 * Invariant: a stored object is never mutated; metadata.resourceVersion is the version of its last change.
 */
export class Store {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #byUid = new Map<string, { resource: string; object: KubeObject }>();
  readonly #listeners = new Set<StoreListener>();
  readonly #logLimit: number;
  #log: StoreEvent[] = [];
  #version: number;
  #floor: number;

  /**
   * `firstVersion` should be the clock in ms: after a restart the versions that clients remember are then too old, not
   * in the future. `logLimit` is a number of events.
   */
  constructor(firstVersion: number, logLimit: number) {
    this.#version = firstVersion;
    this.#floor = firstVersion;
    this.#logLimit = logLimit;
  }

  /** Version of the newest change. */
  get version(): number {
    return this.#version;
  }

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(keyOf(namespace, name));
  }

  /** The object with this uid, and the key of its resource. */
  byUid(uid: string): { resource: string; object: KubeObject } | undefined {
    return this.#byUid.get(uid);
  }

  /** Objects of a resource, of all namespaces if none is given, in order of namespace and name. */
  list(resource: string, namespace?: string): KubeObject[] {
    return sorted(this.#objects.get(resource)?.values() ?? [], namespace);
  }

  /** Objects of every resource, with its key. */
  *everything(): Generator<[resource: string, object: KubeObject]> {
    for (const [resource, objects] of this.#objects) for (const object of objects.values()) yield [resource, object];
  }

  /** The list as it was at an earlier version: events are undone from the newest back. Throws 410 if the log is too short. */
  listAt(resource: string, version: number, namespace?: string): KubeObject[] {
    const state = new Map(this.#objects.get(resource) ?? []);
    for (const event of this.since(version).toReversed()) {
      if (event.resource !== resource) continue;
      const key = keyOf(event.object.metadata.namespace, event.object.metadata.name);
      if (event.old === undefined) state.delete(key);
      else state.set(key, event.old);
    }
    return sorted(state.values(), namespace);
  }

  /** Changes after a version, oldest first. Throws 410 if the log does not reach back, or the version is none of ours. */
  since(version: number): StoreEvent[] {
    if (version < this.#floor || version > this.#version) throw expired(version, this.#floor);
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#log[middle]!.version > version) high = middle;
      else low = middle + 1;
    }
    return this.#log.slice(low);
  }

  /** Puts an object, new or changed, under the next version; returns what is stored. */
  put(resource: string, object: KubeObject): KubeObject {
    const { namespace, name } = object.metadata;
    const old = this.get(resource, namespace, name);
    const stored = this.#stamp(object);
    let objects = this.#objects.get(resource);
    if (objects === undefined) this.#objects.set(resource, (objects = new Map()));
    objects.set(keyOf(namespace, name), stored);
    if (stored.metadata.uid !== undefined) this.#byUid.set(stored.metadata.uid, { resource, object: stored });
    const event = { resource, version: this.#version, object: stored };
    this.#append(old === undefined ? { type: 'ADDED', ...event } : { type: 'MODIFIED', ...event, old });
    return stored;
  }

  /** Removes an object; the event carries `object` (its last state) under a new version. */
  remove(resource: string, object: KubeObject): KubeObject {
    const { namespace, name } = object.metadata;
    const old = this.get(resource, namespace, name);
    if (old === undefined) return object;
    this.#objects.get(resource)?.delete(keyOf(namespace, name));
    if (old.metadata.uid !== undefined) this.#byUid.delete(old.metadata.uid);
    const last = this.#stamp(object);
    this.#append({ type: 'DELETED', resource, version: this.#version, object: last, old });
    return last;
  }

  /** Listens to all changes until the returned function is called. */
  listen(listener: StoreListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #stamp(object: KubeObject): KubeObject {
    this.#version += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
  }

  #append(event: StoreEvent): void {
    this.#log.push(event);
    // Dropping half at a time keeps the cost of an append constant.
    if (this.#log.length > this.#logLimit * 2) {
      const dropped = this.#log.length - this.#logLimit;
      this.#floor = this.#log[dropped - 1]!.version;
      this.#log = this.#log.slice(dropped);
    }
    for (const listener of this.#listeners) listener(event);
  }
}

/** Sorts as the object's key in a real server's storage does. */
export function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}

function sorted(objects: Iterable<KubeObject>, namespace: string | undefined): KubeObject[] {
  const found = namespace === undefined ? [...objects] : [...objects].filter((o) => o.metadata.namespace === namespace);
  const key = (o: KubeObject): string => keyOf(o.metadata.namespace, o.metadata.name);
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
