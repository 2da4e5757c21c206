import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, request } from 'undici';
import { type Clock, sleep } from './clock.ts';
import { ApiError, errorFromAnswer } from './errors.ts';
import { type KubeObject, pathOf, type Resource } from './object.ts';
import { type WatchEvent, watchEvents } from './watch-lines.ts';

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type Query = Record<string, string | undefined>;

/** One page of a list; `continueToken` asks for the next one. */
export interface Page<T extends KubeObject> {
  items: T[];
  resourceVersion: string;
  continueToken: string | undefined;
}

export interface ListOptions {
  namespace: string | undefined;
  labelSelector?: string | undefined;
  limit?: number;
  continueToken?: string | undefined;
  signal?: AbortSignal;
}

export interface WatchOptions {
  namespace: string | undefined;
  labelSelector?: string | undefined;
  resourceVersion: string;
  /** The server ends the watch after this time. */
  timeoutSeconds: number;
  /** A connection silent for this long counts as dead. */
  idleMs: number;
  signal: AbortSignal;
}

export interface DeleteOptions {
  /** Delete only this incarnation of the name. */
  uid: string;
  gracePeriodSeconds?: number;
}

export interface ClientOptions {
  /** Text of a kubeconfig; undefined = the service account of the pod we run in. */
  kubeconfig: string | undefined;
  clock: Clock;
  /** 0 … 1, for the jitter of retries. */
  random: () => number;
  /** Hears of every answered request; code 0 = no answer. */
  onRequest?: (method: string, code: number) => void;
}

const requestTimeoutMs = 30_000;
const credentialsFreshMs = 30_000;
const triesOfIdempotentRequests = 3;

/**
 * HTTP client of a Kubernetes API server: raw JSON both ways over one connection pool.
 * Every failure is an {@link ApiError}. Only GET and DELETE are tried again by the client itself.
 */
export class KubeClient {
  readonly #config: KubeConfig;
  readonly #server: string;
  readonly #options: ClientOptions;
  #agent: Agent | undefined;
  #tlsFingerprint = '';
  #headers: Record<string, string> = {};
  #headersReadMs = Number.NEGATIVE_INFINITY;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#config = new KubeConfig();
    if (options.kubeconfig === undefined) this.#config.loadFromCluster();
    else this.#config.loadFromString(options.kubeconfig);
    const cluster = this.#config.getCurrentCluster();
    if (!cluster) throw new Error('the kubeconfig has no current cluster; set current-context to one of its contexts');
    this.#server = cluster.server.replace(/\/+$/, '');
    // The library takes plain HTTP only when told not to verify the certificate that such a server does not have.
    const user = this.#config.getCurrentUser() ?? { name: 'nobody' };
    if (this.#server.startsWith('http:')) {
      this.#config.loadFromClusterAndUser({ ...cluster, skipTLSVerify: true }, user);
    }
  }

  async get<T extends KubeObject>(resource: Resource, namespace: string, name: string): Promise<T> {
    return (await this.#json('GET', pathOf(resource, namespace, name))) as T;
  }

  async list<T extends KubeObject>(resource: Resource, options: ListOptions): Promise<Page<T>> {
    const answer = (await this.#json('GET', pathOf(resource, options.namespace), {
      query: {
        labelSelector: options.labelSelector,
        limit: options.limit?.toString(),
        continue: options.continueToken,
      },
      signal: options.signal,
    })) as { apiVersion: string; kind: string; metadata: { resourceVersion: string; continue?: string }; items: T[] };
    const kind = answer.kind.replace(/List$/, '');
    return {
      // Items of a list carry neither kind nor apiVersion.
      items: answer.items.map((item) => ({ ...item, apiVersion: answer.apiVersion, kind })),
      resourceVersion: answer.metadata.resourceVersion,
      continueToken: answer.metadata.continue || undefined,
    };
  }

  async create<T extends KubeObject>(resource: Resource, object: T): Promise<T> {
    const path = pathOf(resource, object.metadata.namespace);
    return (await this.#json('POST', path, { body: object, contentType: 'application/json' })) as T;
  }

  /** Gives a pod its node. Throws a conflict when it has one. */
  async bind(pod: Resource, binding: KubeObject): Promise<void> {
    const { namespace, name } = binding.metadata;
    const path = pathOf(pod, namespace, name, 'binding');
    await this.#json('POST', path, { body: binding, contentType: 'application/json' });
  }

  async mergePatch<T extends KubeObject>(
    resource: Resource,
    namespace: string,
    name: string,
    patch: object,
    subresource?: 'status',
  ): Promise<T> {
    const path = pathOf(resource, namespace, name, subresource);
    return (await this.#json('PATCH', path, { body: patch, contentType: 'application/merge-patch+json' })) as T;
  }

  async patchStatus<T extends KubeObject>(
    resource: Resource,
    namespace: string,
    name: string,
    patch: object,
  ): Promise<T> {
    return this.mergePatch<T>(resource, namespace, name, patch, 'status');
  }

  async delete(resource: Resource, namespace: string, name: string, options: DeleteOptions): Promise<void> {
    const { uid, gracePeriodSeconds } = options;
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      preconditions: { uid },
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    };
    await this.#json('DELETE', pathOf(resource, namespace, name), { body, contentType: 'application/json' });
  }

  /** Events after `resourceVersion` until the server ends the watch; throws on errors, 410 and silence. */
  async *watch<T extends KubeObject>(resource: Resource, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const query: Query = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
      labelSelector: options.labelSelector,
    };
    const path = pathOf(resource, options.namespace);
    const answer = await this.#send('GET', path, { query, signal: options.signal, bodyTimeoutMs: options.idleMs });
    answer.body.setEncoding('utf8');
    try {
      yield* watchEvents<T>(answer.body as AsyncIterable<string>);
    } catch (error) {
      throw asApiError(error, `WATCH ${path}`);
    }
  }

  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  async #json(
    method: Method,
    path: string,
    content: { query?: Query; body?: object; contentType?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<unknown> {
    const tries = method === 'GET' || method === 'DELETE' ? triesOfIdempotentRequests : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        const timeout = AbortSignal.timeout(requestTimeoutMs);
        const signal = content.signal === undefined ? timeout : AbortSignal.any([content.signal, timeout]);
        const answer = await this.#send(method, path, { ...content, signal, bodyTimeoutMs: requestTimeoutMs });
        return await answer.body.json();
      } catch (cause) {
        const error = asApiError(cause, `${method} ${path}`);
        const delayMs = error.retryAfterMs ?? 100 * 2 ** attempt * (0.5 + this.#options.random());
        const worthwhile = attempt < tries && tryAgainSoon(error) && delayMs <= requestTimeoutMs;
        if (!worthwhile || content.signal?.aborted) throw error;
        await sleep(this.#options.clock, delayMs, content.signal);
      }
    }
  }

  async #send(
    method: Method,
    path: string,
    options: { query?: Query; body?: object; contentType?: string; signal: AbortSignal; bodyTimeoutMs: number },
  ): Promise<Dispatcher.ResponseData> {
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    try {
      const { agent, headers } = await this.#credentials();
      const answer = await request(url, {
        dispatcher: agent,
        method,
        headers: {
          accept: 'application/json',
          'user-agent': 'hayate-operator',
          ...(options.contentType === undefined ? {} : { 'content-type': options.contentType }),
          ...headers,
        },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal,
        headersTimeout: requestTimeoutMs,
        bodyTimeout: options.bodyTimeoutMs,
      });
      this.#options.onRequest?.(method, answer.statusCode);
      if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
      if (answer.statusCode === 401) this.#headersReadMs = Number.NEGATIVE_INFINITY;
      const retryAfter = answer.headers['retry-after'];
      const text = await answer.body.text();
      throw errorFromAnswer(answer.statusCode, text, String(retryAfter ?? ''), `${method} ${path}`);
    } catch (cause) {
      const error = asApiError(cause, `${method} ${path}`);
      if (error.code === 0) this.#options.onRequest?.(method, 0);
      throw error;
    }
  }

  /** Tokens and certificates are read again now and then, since kubelets and exec plugins renew them. */
  async #credentials(): Promise<{ agent: Agent; headers: Record<string, string> }> {
    const nowMs = this.#options.clock.nowMs();
    if (this.#agent === undefined || nowMs - this.#headersReadMs > credentialsFreshMs) {
      const read: RequestOptions = {};
      await this.#config.applyToHTTPSOptions(read);
      const { ca, cert, key, rejectUnauthorized, servername } = read as RequestOptions & { servername?: string };
      const tls = Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, v]) => v !== undefined);
      const fingerprint = JSON.stringify(tls);
      if (this.#agent === undefined || fingerprint !== this.#tlsFingerprint) {
        const old = this.#agent;
        this.#agent = new Agent({ connect: Object.fromEntries(tls), connectTimeout: 10_000, keepAliveTimeout: 30_000 });
        this.#tlsFingerprint = fingerprint;
        void old?.close();
      }
      this.#headers = { ...(read.headers as Record<string, string> | undefined) };
      if (typeof read.auth === 'string') {
        this.#headers['authorization'] = `Basic ${Buffer.from(read.auth).toString('base64')}`;
      }
      this.#headersReadMs = nowMs;
    }
    return { agent: this.#agent, headers: this.#headers };
  }
}

function tryAgainSoon(error: ApiError): boolean {
  return error.code === 429 || error.code === 503 || error.reason === 'ConnectionReset';
}

const resetCodes: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const timeoutCodes: ReadonlySet<unknown> = new Set([
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function asApiError(error: unknown, what: string): ApiError {
  if (error instanceof ApiError) return error;
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  if (resetCodes.has(code)) {
    return new ApiError(0, 'ConnectionReset', `${what}: the connection was cut`, { cause: error });
  }
  if (timeoutCodes.has(code) || name === 'TimeoutError') {
    return new ApiError(0, 'Timeout', `${what}: no answer in time`, { cause: error });
  }
  return new ApiError(0, 'Unreachable', `${what}: ${message ?? String(error)}; is the API server up?`, {
    cause: error,
  });
}
