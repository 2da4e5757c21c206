import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Address {
  host: string;
  port: number;
}

/** Splits `host:port` (or `[v6]:port`); throws a sentence that quotes what is wrong. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new Error(`peers: "${text}" is not host:port`);
  }
  return { host, port };
}

/** `host:port` with brackets where IPv6 needs them. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Resolves names of pods. With `hostsFile` (JSON, name → address, rewritten as pods appear) names are looked up
 * there, else in DNS, which knows a pod some time after it was created: both are asked again until `signal` aborts.
 */
export function resolver(hostsFile: string | undefined): (host: string, signal: AbortSignal) => Promise<string> {
  return async (host, signal) => {
    for (;;) {
      const address = hostsFile === undefined ? await fromDns(host) : await fromFile(hostsFile, host);
      if (address !== undefined) return address;
      await sleep(100, undefined, { signal });
    }
  };
}

async function fromDns(host: string): Promise<string | undefined> {
  try {
    return (await lookup(host)).address;
  } catch {
    return undefined;
  }
}

/** A file that is missing, half written or without the name is read again later. Plain addresses need no entry. */
async function fromFile(file: string, host: string): Promise<string | undefined> {
  if (/^[\d.]+$|:/.test(host)) return host;
  try {
    const names: unknown = JSON.parse(await readFile(file, 'utf8'));
    const address = typeof names === 'object' && names !== null ? (names as Record<string, unknown>)[host] : undefined;
    return typeof address === 'string' ? address : undefined;
  } catch {
    return undefined;
  }
}
