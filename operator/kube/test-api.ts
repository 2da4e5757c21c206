import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubeObject } from './object.ts';

type Stored = KubeObject & { status?: unknown };

/** One request as a fault script sees it; return true when the script answered it. */
export type Fault = (request: { method: string; url: URL; body: unknown }, response: ServerResponse) => boolean;

/**
 * Test double: the least of a Kubernetes API over real HTTP, below a path prefix, with faults on demand.
 * Collections are made by use; watches send what happens after they began, and bookmarks when asked to.
 */
export class TestApi {
  readonly requests: string[] = [];
  /** Asked before every request. */
  fault: Fault | undefined;
  readonly #objects = new Map<string, Stored>();
  readonly #watches = new Set<{ path: string; response: ServerResponse }>();
  readonly #server: Server;
  #version = 1000;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    const user = { name: 'u', user: {} };
    const cluster = {
      name: 'c',
      cluster: { server: `http://127.0.0.1:${port}/secret` },
    };
    const context = { name: 'x', context: { cluster: 'c', user: 'u' } };
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [cluster],
      users: [user],
      contexts: [context],
      'current-context': 'x',
    });
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** Objects whose path (`/api/v1/namespaces/n/pods/x`) contains `part`. */
  find(part: string): Stored[] {
    return [...this.#objects].filter(([path]) => path.includes(part)).map(([, object]) => object);
  }

  /** Creates or replaces an object and tells the watches. */
  put(path: string, object: Omit<Stored, 'metadata'> & { metadata: Partial<KubeObject['metadata']> }): Stored {
    const before = this.#objects.get(path);
    this.#version += 1;
    const metadata = {
      creationTimestamp: new Date().toISOString(),
      uid: before?.metadata.uid ?? `uid-${this.#version}`,
      generation: 1,
      ...object.metadata,
      name: path.split('/').at(-1) ?? '',
      resourceVersion: String(this.#version),
    };
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
    const stored: Stored = { ...object, metadata: namespace === undefined ? metadata : { ...metadata, namespace } };
    this.#objects.set(path, stored);
    this.#tell(path, { type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored });
    return stored;
  }

  remove(path: string): void {
    const stored = this.#objects.get(path);
    if (stored === undefined) return;
    this.#objects.delete(path);
    this.#version += 1;
    const object = { ...stored, metadata: { ...stored.metadata, resourceVersion: String(this.#version) } };
    this.#tell(path, { type: 'DELETED', object });
  }

  /** Sends a line to every watch whose path ends with `plural`. */
  say(plural: string, line: string): void {
    for (const { path, response } of this.#watches) if (path.endsWith(plural)) response.write(line);
  }

  bookmark(plural: string): void {
    this.#version += 1;
    const object = { metadata: { name: '', resourceVersion: String(this.#version) } };
    this.say(plural, `${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  /** Ends every watch: cleanly, or by cutting its connection. */
  endWatches(how: 'clean' | 'reset'): void {
    for (const { response } of this.#watches) {
      if (how === 'clean') response.end();
      else response.socket?.resetAndDestroy();
    }
  }

  #tell(path: string, event: object): void {
    for (const watch of this.#watches) if (isIn(path, watch.path)) watch.response.write(`${JSON.stringify(event)}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://test');
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = text === '' ? undefined : (JSON.parse(text) as Stored);
    const method = request.method ?? '';
    const path = url.pathname.replace(/^\/secret/, '');
    const isWatch = url.searchParams.has('watch');
    this.requests.push(`${isWatch ? 'WATCH' : method} ${path}`);
    if (!url.pathname.startsWith('/secret/')) return refuse(response, 401, 'Unauthorized', 'wrong prefix');
    if (this.fault?.({ method: isWatch ? 'WATCH' : method, url, body }, response)) return;
    if (isWatch) {
      const watch = { path, response };
      this.#watches.add(watch);
      response.on('close', () => this.#watches.delete(watch));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      return;
    }
    this.#write(method, path, body, response);
  }

  #write(method: string, path: string, body: Stored | undefined, response: ServerResponse): void {
    const target = method === 'POST' ? `${path}/${body?.metadata.name}` : path.replace(/\/status$/, '');
    const stored = this.#objects.get(target);
    if (method === 'POST' && body !== undefined) {
      if (stored !== undefined) return refuse(response, 409, 'AlreadyExists', `${target} already exists`);
      return send(response, 201, this.put(target, body));
    }
    if (
      stored === undefined &&
      method === 'GET' &&
      !/\/[^/]+s\/[^/]+$/.test(path.replace(/^.*\/namespaces\/[^/]+/, ''))
    ) {
      const items = [...this.#objects].filter(([key]) => isIn(key, path)).map(([, object]) => object);
      return send(response, 200, {
        kind: 'ThingList',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(this.#version) },
        items,
      });
    }
    if (stored === undefined) return refuse(response, 404, 'NotFound', `${target} not found`);
    if (method === 'GET') return send(response, 200, stored);
    if (method === 'DELETE') {
      this.remove(target);
      return send(response, 200, stored);
    }
    const version = body?.metadata?.resourceVersion;
    if (version !== undefined && version !== stored.metadata.resourceVersion) {
      return refuse(response, 409, 'Conflict', 'the object has been modified');
    }
    const merged = merge(stored, path.endsWith('/status') ? { status: body?.status } : body) as Stored;
    send(response, 200, this.put(target, merged));
  }
}

function isIn(path: string, collection: string): boolean {
  const [, plural] = /([^/]+)$/.exec(collection) ?? [];
  const prefix = collection.slice(0, -(plural ?? '').length);
  return path.startsWith(prefix) && path.split('/').at(-2) === plural;
}

function merge(value: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...(value as object | undefined) };
  for (const [field, inner] of Object.entries(patch)) {
    if (inner === null) delete merged[field];
    else merged[field] = merge(merged[field], inner);
  }
  return merged;
}

function send(response: ServerResponse, code: number, object: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(object));
}

/** Answers with a Status, as an API server refuses. */
export function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  send(response, code, { kind: 'Status', status: 'Failure', reason, message, code });
}
