import { qualifiedResource } from './errors.ts';
import type { ResourceType } from './resources.ts';
import type { Store } from './store.ts';

/** What every request works on. */
export interface Backend {
  store: Store;
  types: readonly ResourceType[];
  now: () => Date;
  randomBytes: (count: number) => Uint8Array;
}

/** Key of a resource in the store: the same for all versions of a group. */
export function storeKey(type: Pick<ResourceType, 'group' | 'plural' | 'kind'>): string {
  return qualifiedResource(type);
}

const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Five characters for generateName, without vowels, so that no words come out. */
export function nameSuffix(randomBytes: (count: number) => Uint8Array): string {
  return [...randomBytes(5)].map((byte) => nameAlphabet[byte % nameAlphabet.length]).join('');
}

/** A random UUID (version 4). */
export function newUid(randomBytes: (count: number) => Uint8Array): string {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The type of a stored object's resource. */
export function typeOfKey(backend: Backend, key: string): ResourceType | undefined {
  return backend.types.find((type) => storeKey(type) === key);
}
