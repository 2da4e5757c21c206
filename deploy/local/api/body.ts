import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { badRequest, StatusError, unsupportedMediaType } from './errors.ts';
import { isObject, type Json } from './object.ts';
import { decodeProtobuf } from './protobuf.ts';

/** Largest body of a request, as on a real server. */
const maxBodyBytes = 3 * 1024 * 1024;
/** Deepest nesting of a body; what follows walks it recursively. */
const maxDepth = 128;

/** Media types of objects. */
export const objectTypes: readonly string[] = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
];

/** The media type of a request, without parameters; undefined if it states none. */
export function contentType(request: IncomingMessage): string | undefined {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
}

/** The whole body. Throws 413. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // A body that is too long is read to its end and forgotten: the refusal goes out over the same connection.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= maxBodyBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (length > maxBodyBytes) {
    throw new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
  }
  return Buffer.concat(chunks);
}

/** The body as JSON. Throws 400 for a broken body, 415 for a type that is not among `accepted`. */
export function parseBody(bytes: Buffer, mediaType: string | undefined, accepted: readonly string[]): Json {
  const type = mediaType ?? 'application/json';
  if (!accepted.includes(type)) throw unsupportedMediaType(accepted);
  const value =
    type === 'application/vnd.kubernetes.protobuf' ? decodeProtobuf(bytes) : parseText(bytes.toString(), type);
  if (!isShallow(value, maxDepth)) throw badRequest(`the body is nested deeper than ${maxDepth} levels`);
  return value;
}

function parseText(text: string, type: string): Json {
  // JSON is YAML; the JSON parser is faster and refuses repeated anchors and such by nature.
  const json = !type.endsWith('yaml') || /^\s*[{[]/.test(text);
  try {
    return (json ? JSON.parse(text) : parseYaml(text)) as Json;
  } catch (error) {
    throw badRequest(`the body is not ${json ? 'JSON' : 'YAML'}: ${(error as Error).message}`);
  }
}

function isShallow(value: Json, levels: number): boolean {
  if (levels === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isShallow(item, levels - 1));
  return !isObject(value) || Object.values(value).every((item) => isShallow(item, levels - 1));
}
