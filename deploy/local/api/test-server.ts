import { randomBytes } from 'node:crypto';
import type { CustomResourceDefinition, StructuralSchema } from '@hayate/crds/definition.ts';
import type { JsonObject } from './object.ts';
import { type ApiLimits, type EmbeddedApi, startEmbeddedApi } from './server.ts';

/** What tests read of answers; an answer has the fields of its kind. */
export interface Body {
  kind: string;
  message: string;
  reason: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    generation: number;
    continue: string;
    remainingItemCount: number;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    finalizers: string[];
    ownerReferences: { uid: string }[];
    deletionTimestamp: string;
    deletionGracePeriodSeconds: number;
    creationTimestamp: string;
    managedFields: { manager: string; operation: string; subresource?: string; fieldsV1: JsonObject }[];
  };
  spec: JsonObject & { containers: { name: string; image: string }[] };
  status: JsonObject & { resourceRules: { verbs: string[] }[]; userInfo: { username: string } };
  data: JsonObject;
  stringData: JsonObject;
  type: string;
  columnDefinitions: { name: string }[];
  details: { kind: string; causes: { field: string; message: string; reason: string }[] };
  items: Body[];
  rows: { cells: unknown[]; object: Body }[];
}

/** An answer with its parsed body. */
export interface Answer {
  code: number;
  headers: Headers;
  body: Body;
}

/** A server with one small custom resource, `widgets.test.dev`, and a client of it. */
export interface TestServer {
  api: EmbeddedApi;
  /** Time of the server; settable. */
  clock: { now: Date };
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  merge(path: string, body: object): Promise<Answer>;
  apply(path: string, body: object, manager?: string): Promise<Answer>;
  /** Lines of a watch until there are `count`, or the server ends it. */
  watch(path: string, count: number, headers?: Record<string, string>): Promise<JsonObject[]>;
}

const text: StructuralSchema = { type: 'string' };
const count: StructuralSchema = { type: 'integer', minimum: 0 };

const widgets: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.test.dev' },
  spec: {
    group: 'test.dev',
    scope: 'Namespaced',
    names: { kind: 'Widget', listKind: 'WidgetList', plural: 'widgets', singular: 'widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {}, scale: { specReplicasPath: '.spec.count', statusReplicasPath: '.status.count' } },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  count,
                  color: { ...text, default: 'red' },
                  parts: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: { type: 'object', required: ['name'], properties: { name: text, size: count } },
                  },
                },
              },
              status: { type: 'object', properties: { count } },
            },
          },
        },
      },
    ],
  },
};

/** Path of the widgets of the namespace `default`. */
export const widgetsPath = '/apis/test.dev/v1/namespaces/default/widgets';

/** A widget of this name. */
export function widget(name: string, spec: object = {}, metadata: object = {}): object {
  return { apiVersion: 'test.dev/v1', kind: 'Widget', metadata: { name, ...metadata }, spec };
}

export async function startTestServer(limits: Partial<ApiLimits> = {}): Promise<TestServer> {
  const clock = { now: new Date('2026-01-02T03:04:05.678Z') };
  const api = await startEmbeddedApi({ crds: [widgets], now: () => clock.now, randomBytes, limits });
  const call: TestServer['call'] = async (method, path, body, headers = {}) => {
    const init: RequestInit = { method, headers: { 'Content-Type': 'application/json', ...headers } };
    if (body !== undefined)
      init.body = typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
    const response = await fetch(`${api.url}${path}`, init);
    const answer = await response.text();
    const json = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { code: response.status, headers: response.headers, body: json ? JSON.parse(answer) : answer };
  };
  return {
    api,
    clock,
    call,
    merge: (path, body) => call('PATCH', path, body, { 'Content-Type': 'application/merge-patch+json' }),
    apply: (path, body, manager = 'tester') =>
      call('PATCH', `${path}?fieldManager=${manager}`, body, { 'Content-Type': 'application/apply-patch+yaml' }),
    async watch(path, count, headers = {}) {
      const stop = new AbortController();
      const response = await fetch(`${api.url}${path}`, { headers, signal: stop.signal });
      const lines: JsonObject[] = [];
      let rest = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts.map((part) => JSON.parse(part) as JsonObject));
        if (lines.length >= count) break;
      }
      stop.abort();
      return lines;
    },
  };
}
