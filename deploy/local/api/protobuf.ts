import { badRequest } from './errors.ts';
import type { Json, JsonObject } from './object.ts';

/** Kubernetes wraps protobuf bodies in an envelope that starts so: "k8s" and a zero byte. */
const magic = [0x6b, 0x38, 0x73, 0x00];

interface Field {
  number: number;
  value: bigint | Uint8Array;
}

const decoder = new TextDecoder();
const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** The fields of a message; groups, gone from protobuf 3, are refused. */
function* fieldsOf(message: Uint8Array): Generator<Field> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) break;
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw badRequest('the protobuf body is cut off');
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw badRequest('the protobuf body is cut off');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === 0) yield { number, value: varint() };
    else if (wire === 2) yield { number, value: take(Number(varint())) };
    else if (wire === 1 || wire === 5) {
      take(wire === 1 ? 8 : 4);
      yield { number, value: wire === 1 ? view.getBigUint64(at - 8, true) : BigInt(view.getUint32(at - 4, true)) };
    } else throw badRequest('the protobuf body is malformed');
  }
}

/** Length-delimited occurrences of one field. */
function bytesOf(message: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const field of fieldsOf(message)) {
    if (field.number === number && field.value instanceof Uint8Array) found.push(field.value);
  }
  return found;
}

const stringOf = (message: Uint8Array, number: number): string =>
  text(bytesOf(message, number).at(-1) ?? new Uint8Array());

function mapOf(message: Uint8Array, number: number, value: (bytes: Uint8Array) => string): Record<string, string> {
  const entries = bytesOf(message, number).map((entry) => {
    return [stringOf(entry, 1), value(bytesOf(entry, 2).at(-1) ?? new Uint8Array())] as const;
  });
  return Object.fromEntries(entries);
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Leaves out what protobuf cannot tell from absent: empty texts and maps. */
function filled(fields: Record<string, Json>): JsonObject {
  const empty = (value: Json): boolean =>
    value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !empty(value)));
}

function metadata(message: Uint8Array): JsonObject {
  const meta = bytesOf(message, 1).at(-1) ?? new Uint8Array();
  return filled({
    name: stringOf(meta, 1),
    generateName: stringOf(meta, 2),
    namespace: stringOf(meta, 3),
    labels: mapOf(meta, 11, text),
    annotations: mapOf(meta, 12, text),
  });
}

const reviews = new Set(['SelfSubjectAccessReview', 'SelfSubjectRulesReview', 'SelfSubjectReview']);

/**
 * A protobuf body as JSON. Only what `kubectl create` and `kubectl auth` send is read: namespaces, config maps, secrets
 * and, by kind alone, reviews of one's own access. Throws 400 for a broken body or another kind.
 */
export function decodeProtobuf(body: Uint8Array): JsonObject {
  if (!magic.every((byte, index) => body[index] === byte))
    throw badRequest('the protobuf body has no Kubernetes envelope');
  const envelope = body.subarray(magic.length);
  const type = bytesOf(envelope, 1).at(-1) ?? new Uint8Array();
  const message = bytesOf(envelope, 2).at(-1) ?? new Uint8Array();
  const apiVersion = stringOf(type, 1);
  const kind = stringOf(type, 2);
  if (reviews.has(kind)) return { apiVersion, kind };
  switch (kind) {
    case 'Namespace':
      return { apiVersion, kind, metadata: metadata(message) };
    case 'ConfigMap':
      return {
        apiVersion,
        kind,
        metadata: metadata(message),
        ...filled({ data: mapOf(message, 2, text), binaryData: mapOf(message, 3, base64) }),
      };
    case 'Secret':
      return {
        apiVersion,
        kind,
        metadata: metadata(message),
        ...filled({ data: mapOf(message, 2, base64), type: stringOf(message, 3), stringData: mapOf(message, 4, text) }),
      };
    default:
      throw badRequest(`a ${kind} is read as JSON only; send it with kubectl apply -f or as application/json`);
  }
}
