import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from './answer.ts';
import type { Backend } from './backend.ts';
import { contentType, objectTypes, parseBody, readBody } from './body.ts';
import { methodNotAllowed, noSuchPath, notImplemented } from './errors.ts';
import { listPage } from './list.ts';
import { notInteractive } from './listener.ts';
import { type LogSource, logOptions, openLog } from './logs.ts';
import { acceptedForm } from './negotiation.ts';
import { isObject, type Json, type KubeObject } from './object.ts';
import { listDocument, objectDocument } from './represent.ts';
import { type ResourceTarget, truth, type WriteRequest, writeOptions } from './request.ts';
import { serveWatch } from './watch-response.ts';
import { bindPod } from './write/bind.ts';
import { createObject } from './write/create.ts';
import { type DeleteOptions, deleteObject, deleteOptions } from './write/delete.ts';
import { applyObject, patchObject, patchTypes } from './write/patch.ts';
import { scaleObject, scaleOf } from './write/scale.ts';
import { liveObject, replaceObject } from './write/update.ts';

/** One request on a resource, as far as every verb needs it. */
export interface Call {
  backend: Backend;
  target: ResourceTarget;
  query: URLSearchParams;
  request: IncomingMessage;
  response: ServerResponse;
  bookmarkMs: number;
  logSource: LogSource | undefined;
  /** What the client should know beside the answer, errors included; each goes out as a header. */
  warnings: string[];
}

const interactive = ['exec', 'attach', 'portforward', 'proxy'];

/** Answers a request on a resource. Throws the refusals of a real server. */
export async function serveResource(call: Call): Promise<void> {
  const { target, query, request } = call;
  const { type, subresource } = target;
  const method = request.method ?? 'GET';
  if (type.plural === 'pods' && subresource !== undefined && interactive.includes(subresource)) {
    throw notInteractive(subresource);
  }
  if (method === 'GET' && subresource === undefined && truth(query, 'watch')) return serveWatch(call);
  if (method === 'GET') return target.name === undefined ? serveList(call) : serveGet(call);
  if (!type.verbs.includes('create')) throw methodNotAllowed();
  const mediaType = contentType(request);
  const body = await readBody(request);
  switch (method) {
    case 'POST':
      return servePost(call, parseBody(body, mediaType, objectTypes));
    case 'PUT':
      return servePut(call, parseBody(body, mediaType, objectTypes));
    case 'PATCH':
      return servePatch(call, mediaType ?? '', parseBody(body, mediaType ?? '', patchTypes(type)));
    case 'DELETE':
      return serveDelete(call, body.length === 0 ? undefined : parseBody(body, mediaType, objectTypes));
    default:
      throw methodNotAllowed();
  }
}

function writeRequest(call: Call): WriteRequest {
  const options = writeOptions(call.query, call.request.headers['user-agent'] ?? '');
  return { ...call.target, ...options, warnings: call.warnings };
}

function send(call: Call, code: number, object: KubeObject): void {
  const form = acceptedForm(call.request.headers.accept);
  const document = objectDocument(call.target.type, object, form, call.query.get('includeObject'), call.backend.now());
  sendJson(call.response, code, document, { warnings: call.warnings });
}

function serveList(call: Call): void {
  const { backend, target, query, request, response } = call;
  const form = acceptedForm(request.headers.accept);
  const page = listPage(backend, target, query);
  sendJson(response, 200, listDocument(target.type, page, form, query.get('includeObject'), backend.now()));
}

async function serveGet(call: Call): Promise<void> {
  const { type, subresource } = call.target;
  if (subresource === undefined || (subresource === 'status' && type.status)) {
    send(call, 200, liveObject(call.backend, call.target));
  } else if (subresource === 'scale' && type.scale !== undefined) {
    sendJson(call.response, 200, scaleOf(type, liveObject(call.backend, call.target)));
  } else if (subresource === 'log' && type.log === true) await serveLog(call);
  else throw noSuchPath();
}

async function serveLog(call: Call): Promise<void> {
  const { backend, target, query, response } = call;
  const reader = new AbortController();
  response.once('close', () => reader.abort());
  const pod = liveObject(backend, target);
  const options = logOptions(pod, query, backend.now(), reader.signal);
  const log = await openLog(call.logSource, pod, options);
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
  response.flushHeaders();
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of log) {
    if (reader.signal.aborted || left <= 0) break;
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= part.length;
    if (!response.write(part)) await drained(response, reader.signal);
  }
  response.end();
}

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      gone.removeEventListener('abort', go);
      resolve();
    };
    response.once('drain', go);
    gone.addEventListener('abort', go, { once: true });
  });
}

function servePost(call: Call, body: Json): void {
  const { target, backend } = call;
  const write = writeRequest(call);
  if (target.subresource === 'binding' && target.type.plural === 'pods') {
    return sendJson(call.response, 201, bindPod(backend, write, body));
  }
  if (target.subresource !== undefined) throw noSuchPath();
  if (target.name !== undefined) throw methodNotAllowed();
  send(call, 201, createObject(backend, write, body));
}

function servePut(call: Call, body: Json): void {
  const { target, backend } = call;
  if (target.name === undefined) throw methodNotAllowed();
  const write = writeRequest(call);
  if (target.subresource === 'scale') {
    return sendJson(call.response, 200, scaleObject(backend, write, { mediaType: undefined, body }));
  }
  checkSubresource(target);
  send(call, 200, replaceObject(backend, write, body));
}

function servePatch(call: Call, mediaType: string, body: Json): void {
  const { target, backend, query } = call;
  if (target.name === undefined) throw methodNotAllowed();
  const write = writeRequest(call);
  if (target.subresource === 'scale') {
    if (mediaType === 'application/apply-patch+yaml')
      throw notImplemented('server-side apply of a scale is not served here; patch it');
    return sendJson(call.response, 200, scaleObject(backend, write, { mediaType, body }));
  }
  checkSubresource(target);
  if (mediaType !== 'application/apply-patch+yaml') {
    return send(call, 200, patchObject(backend, write, mediaType, body));
  }
  const { object, created } = applyObject(backend, write, body, (query.get('fieldManager') ?? '') !== '');
  send(call, created ? 201 : 200, object);
}

function checkSubresource({ type, subresource }: ResourceTarget): void {
  if (subresource !== undefined && !(subresource === 'status' && type.status)) throw noSuchPath();
}

/** Kinds whose DELETE answers the object itself, whatever becomes of it. */
const answersObject = ['pods', 'services', 'namespaces'];

function serveDelete(call: Call, body: Json | undefined): void {
  const { target, backend, query } = call;
  if (target.subresource !== undefined) throw noSuchPath();
  const options: DeleteOptions = deleteOptions(isObject(body) || body === undefined ? body : null, query);
  if (target.name === undefined) throw methodNotAllowed();
  const { object, gone } = deleteObject(backend, target, options);
  const { type } = target;
  if (!gone || (type.group === '' && answersObject.includes(type.plural))) return send(call, 200, object);
  const { name, uid } = object.metadata;
  const details = { name, ...(type.group === '' ? {} : { group: type.group }), kind: type.plural, uid };
  sendJson(call.response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}
