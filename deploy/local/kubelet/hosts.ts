import { renameSync, writeFileSync } from 'node:fs';
import type { Pod } from './pod.ts';

/** The name that a cluster's DNS would give this pod: `<hostname>.<subdomain>.<namespace>.svc`. */
export function hostName(pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec;
  if (hostname === undefined || subdomain === undefined) return undefined;
  return `${hostname}.${subdomain}.${pod.metadata.namespace}.svc`;
}

/**
 * The names of a cluster in a JSON file that is replaced whole whenever they change: a process that reads it
 * again sees pods younger than itself, as with DNS.
 */
export class HostsFile {
  readonly #path: string;
  readonly #names = new Map<string, string>();

  constructor(path: string) {
    this.#path = path;
    this.#write();
  }

  set(name: string, address: string): void {
    this.#names.set(name, address);
    this.#write();
  }

  /** Forgets a name unless a younger pod has taken it. */
  remove(name: string, address: string): void {
    if (this.#names.get(name) !== address) return;
    this.#names.delete(name);
    this.#write();
  }

  #write(): void {
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, `${JSON.stringify(Object.fromEntries(this.#names), null, 2)}\n`);
    renameSync(temporary, this.#path);
  }
}
