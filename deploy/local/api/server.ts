import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CustomResourceDefinition } from '@hayate/crds/definition.ts';
import { admittedPath } from './access.ts';
import { sendError, sendJson, sendText } from './answer.ts';
import type { Backend } from './backend.ts';
import { contentType, objectTypes, parseBody, readBody } from './body.ts';
import { startCollector } from './collector.ts';
import { describeServer } from './documents.ts';
import { noSuchPath } from './errors.ts';
import { forgetOldEvents } from './event-ttl.ts';
import { plantInitialObjects } from './initial-objects.ts';
import { listen, refuseUpgrade } from './listener.ts';
import type { LogSource } from './logs.ts';
import { resourceTarget } from './request.ts';
import { serveResource } from './resource-routes.ts';
import { resourceTypes } from './resources.ts';
import { answerReview, isReviewPath } from './reviews.ts';
import { Store } from './store.ts';

export { kubeconfig } from './kubeconfig.ts';

/** A running API server. */
export interface EmbeddedApi {
  /** Base address for clients, secret included: http://127.0.0.1:PORT/SECRET. */
  readonly url: string;
  readonly port: number;
  /** From now on pod logs come from here. */
  setLogSource(source: LogSource): void;
  /** Ends every watch and connection at once, and frees the port. All objects are gone. */
  close(): Promise<void>;
}

/** How much the server remembers and how often it speaks; the defaults suit one machine. */
export interface ApiLimits {
  /** Changes in the log: as far as a watch can go back. */
  logEvents: number;
  /** Time between the bookmarks of a watch. */
  bookmarkMs: number;
  /** Events (the Kubernetes kind) are deleted at this age. */
  eventTtlMs: number;
}

const defaultLimits: ApiLimits = { logEvents: 5000, bookmarkMs: 60_000, eventTtlMs: 3_600_000 };

/**
 * Starts a Kubernetes API server for this machine: plain HTTP on loopback, everything in memory, guarded by a random
 * secret in the path. `port` 0 or none takes a free one. Rejects with one sentence if it cannot listen; `code` is
 * EADDRINUSE if the port is taken.
 */
export async function startEmbeddedApi(options: {
  port?: number;
  crds: readonly CustomResourceDefinition[];
  now: () => Date;
  randomBytes: (n: number) => Uint8Array;
  limits?: Partial<ApiLimits>;
  /** How many the node has of each extended resource. */
  devices?: Readonly<Record<string, number>>;
}): Promise<EmbeddedApi> {
  const { crds, now, randomBytes, devices = {} } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const backend: Backend = {
    store: new Store(now().getTime(), limits.logEvents),
    types: resourceTypes(crds),
    now,
    randomBytes,
  };
  plantInitialObjects(backend, crds, devices);
  const secret = Buffer.from(randomBytes(24)).toString('base64url');
  const documents = describeServer(backend.types);
  let logSource: LogSource | undefined;

  const serve = async (
    request: IncomingMessage,
    response: ServerResponse,
    port: number,
    warnings: string[],
  ): Promise<void> => {
    const [rawPath, rawQuery] = split(request.url ?? '/');
    const path = admittedPath(rawPath, request.headers, secret, port);
    const query = new URLSearchParams(rawQuery);
    if (/^\/(?:healthz|livez|readyz)(?:\/|$)/.test(path)) return sendText(response, 200, 'ok');
    const described = request.method === 'GET' ? documents(path, request.headers.accept ?? '') : undefined;
    if (described !== undefined) {
      return sendJson(response, 200, described.body, { contentType: described.contentType });
    }
    if (request.method === 'POST' && isReviewPath(path)) {
      const body = parseBody(await readBody(request), contentType(request), objectTypes);
      return sendJson(response, 201, answerReview(path, body));
    }
    const target = resourceTarget(path, backend.types);
    if (target === undefined) throw noSuchPath();
    await serveResource({
      backend,
      target,
      query,
      request,
      response,
      bookmarkMs: limits.bookmarkMs,
      logSource,
      warnings,
    });
  };

  const server = createServer({ keepAliveTimeout: 120_000 });
  const port = await listen(server, options.port ?? 0);
  // A fault of the server itself: what the client gets names it, and it must not pass unseen here either.
  const report = (error: unknown): void => process.emitWarning(error instanceof Error ? error : String(error));
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const warnings: string[] = [];
    serve(request, response, port, warnings).catch((error: unknown) => sendError(response, error, warnings, report));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => refuseUpgrade(request, socket, secret, port));
  const stopCollector = startCollector(backend);
  const stopForgetting = forgetOldEvents(backend, limits.eventTtlMs);

  return {
    url: `http://127.0.0.1:${port}/${secret}`,
    port,
    setLogSource: (source) => {
      logSource = source;
    },
    close: async () => {
      stopCollector();
      stopForgetting();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function split(url: string): [path: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}
