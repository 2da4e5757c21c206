import { type KubeObject, keyOf } from './object.ts';

/** What changed in a cache; a name deleted and made again is a `delete` and an `add`, since the uid is new. */
export type Change<T extends KubeObject> =
  | { kind: 'add'; object: T }
  | { kind: 'update'; object: T; before: T }
  | { kind: 'delete'; object: T };

/** Read side of a {@link Store}: what reconcilers see. */
export interface Cache<T extends KubeObject> {
  get(key: string): T | undefined;
  list(): T[];
  /** Objects for which the store's index function returned `value`. */
  indexed(value: string): T[];
}

/**
 * Objects of one kind by `namespace/name`, with one index. Writers (a reflector) get back what changed.
 * `indexOf` names the groups that an object belongs to, for example its owner's key.
 */
export class Store<T extends KubeObject> implements Cache<T> {
  readonly #objects = new Map<string, T>();
  readonly #index = new Map<string, Set<string>>();
  readonly #indexOf: (object: T) => string | undefined;

  constructor(indexOf: (object: T) => string | undefined = () => undefined) {
    this.#indexOf = indexOf;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  indexed(value: string): T[] {
    return [...(this.#index.get(value) ?? [])].map((key) => this.#objects.get(key)!);
  }

  /** Takes a whole list as the truth: what it lacks is deleted. */
  replace(objects: readonly T[]): Change<T>[] {
    const listed = new Set(objects.map(keyOf));
    const missing = this.list().filter((object) => !listed.has(keyOf(object)));
    return [...missing.flatMap((object) => this.remove(object)), ...objects.flatMap((object) => this.put(object))];
  }

  put(object: T): Change<T>[] {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before === undefined) {
      this.#set(key, object);
      return [{ kind: 'add', object }];
    }
    if (before.metadata.uid !== object.metadata.uid) {
      return [...this.remove(before), ...this.put(object)];
    }
    if (before.metadata.resourceVersion === object.metadata.resourceVersion) return [];
    this.#unset(key, before);
    this.#set(key, object);
    return [{ kind: 'update', object, before }];
  }

  remove(object: T): Change<T>[] {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before === undefined) return [];
    this.#unset(key, before);
    return [{ kind: 'delete', object }];
  }

  #set(key: string, object: T): void {
    this.#objects.set(key, object);
    const value = this.#indexOf(object);
    if (value === undefined) return;
    const keys = this.#index.get(value) ?? new Set();
    this.#index.set(value, keys.add(key));
  }

  #unset(key: string, object: T): void {
    this.#objects.delete(key);
    const value = this.#indexOf(object);
    if (value === undefined) return;
    const keys = this.#index.get(value);
    keys?.delete(key);
    if (keys?.size === 0) this.#index.delete(value);
  }
}
