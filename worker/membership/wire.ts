import { exitCodes, type FailureClass } from '@hayate/crds/exit-codes.ts';
import type { LinkConstants } from '../communication/schedule/types.ts';
import * as proto from './generated/control.ts';
import type { Abort, CoordinatorMessage, Fence, MemberMessage } from './message.ts';

/** Largest control message: a table of a few thousand ranks. Larger ones are refused before they are read. */
export const maxMessageBytes = 1 << 20;

/** A message that cannot be: of no known kind, or with values out of range. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code = 'malformed';
  readonly retryable = false;
}

export function encodeMember(message: MemberMessage): Uint8Array {
  return proto.MemberMessage.encode(toProto(message)).finish();
}

/** Reads what a member sent. Throws {@link WireError}. */
export function decodeMember(bytes: Uint8Array): MemberMessage {
  const m = decode(proto.MemberMessage, bytes);
  if (m.heartbeat) return { kind: 'heartbeat', step: m.heartbeat.step };
  if (m.hello) {
    const { fence, ...rest } = m.hello;
    return { kind: 'hello', hello: { ...knownFence(fence), ...rest } };
  }
  if (m.constants) return { kind: 'constants', constants: finite(m.constants) };
  if (m.ready) return { kind: 'ready', ready: m.ready };
  if (m.abort) return { kind: 'abort', abort: knownAbort(m.abort) };
  if (m.stopRequest) return { kind: 'stopRequest' };
  if (m.done) return { kind: 'done', done: m.done };
  throw new WireError('a member sent a message of no known kind');
}

export function encodeCoordinator(message: CoordinatorMessage): Uint8Array {
  return proto.CoordinatorMessage.encode(fromCoordinator(message)).finish();
}

/** Reads what rank 0 sent. Throws {@link WireError}. */
export function decodeCoordinator(bytes: Uint8Array): CoordinatorMessage {
  const m = decode(proto.CoordinatorMessage, bytes);
  if (m.heartbeat) return { kind: 'heartbeat', step: m.heartbeat.step };
  if (m.welcome) return { kind: 'welcome' };
  if (m.refused) return { kind: 'refused', refusal: { ...m.refused, class: knownClass(m.refused.class) } };
  if (m.table) return { kind: 'table', lanePorts: m.table.peers.map((peer) => peer.lanePorts) };
  if (m.constants) return { kind: 'constants', constants: finite(m.constants) };
  if (m.start) return { kind: 'start', start: m.start };
  if (m.abort) return { kind: 'abort', abort: knownAbort(m.abort) };
  if (m.stop) return { kind: 'stop', stop: m.stop };
  if (m.dismissed) return { kind: 'dismissed' };
  throw new WireError('rank 0 sent a message of no known kind');
}

export interface StateRequest extends Fence {
  rank: number;
}

export function encodeStateRequest({ rank, ...fence }: StateRequest): Uint8Array {
  return proto.StateRequest.encode({ fence, rank }).finish();
}

/** Throws {@link WireError}. */
export function decodeStateRequest(bytes: Uint8Array): StateRequest {
  const request = decode(proto.StateRequest, bytes);
  return { ...knownFence(request.fence), rank: request.rank };
}

export function encodeStateChunk(data: Uint8Array): Uint8Array {
  return proto.StateChunk.encode({ data: Buffer.from(data.buffer, data.byteOffset, data.byteLength) }).finish();
}

/** Throws {@link WireError}. */
export function decodeStateChunk(bytes: Uint8Array): Uint8Array {
  return decode(proto.StateChunk, bytes).data;
}

function decode<T>(type: { decode: (bytes: Uint8Array) => T }, bytes: Uint8Array): T {
  try {
    return type.decode(bytes);
  } catch (cause) {
    throw new WireError('not a control message', { cause });
  }
}

const noMember: proto.MemberMessage = {
  hello: undefined,
  constants: undefined,
  ready: undefined,
  heartbeat: undefined,
  abort: undefined,
  stopRequest: undefined,
  done: undefined,
};

function toProto(message: MemberMessage): proto.MemberMessage {
  switch (message.kind) {
    case 'hello': {
      const { jobUid, attempt, incarnation, lanePorts, ...rest } = message.hello;
      return {
        ...noMember,
        hello: { ...rest, lanePorts: [...lanePorts], fence: { jobUid, attempt, incarnation } },
      };
    }
    case 'constants':
      return { ...noMember, constants: message.constants };
    case 'ready':
      return { ...noMember, ready: { ...message.ready, plan: [...message.ready.plan] } };
    case 'heartbeat':
      return { ...noMember, heartbeat: { step: message.step } };
    case 'abort':
      return { ...noMember, abort: message.abort };
    case 'stopRequest':
      return { ...noMember, stopRequest: {} };
    case 'done':
      return { ...noMember, done: message.done };
    default:
      return assertNever(message);
  }
}

const noCoordinator: proto.CoordinatorMessage = {
  welcome: undefined,
  refused: undefined,
  table: undefined,
  constants: undefined,
  start: undefined,
  heartbeat: undefined,
  abort: undefined,
  stop: undefined,
  dismissed: undefined,
};

function fromCoordinator(message: CoordinatorMessage): proto.CoordinatorMessage {
  switch (message.kind) {
    case 'welcome':
      return { ...noCoordinator, welcome: {} };
    case 'refused':
      return { ...noCoordinator, refused: message.refusal };
    case 'table':
      return { ...noCoordinator, table: { peers: message.lanePorts.map((ports) => ({ lanePorts: [...ports] })) } };
    case 'constants':
      return { ...noCoordinator, constants: message.constants };
    case 'start':
      return { ...noCoordinator, start: { ...message.start, fetching: [...message.start.fetching] } };
    case 'heartbeat':
      return { ...noCoordinator, heartbeat: { step: message.step } };
    case 'abort':
      return { ...noCoordinator, abort: message.abort };
    case 'stop':
      return { ...noCoordinator, stop: message.stop };
    case 'dismissed':
      return { ...noCoordinator, dismissed: {} };
    default:
      return assertNever(message);
  }
}

function knownFence(fence: proto.Fence | undefined): Fence {
  if (fence === undefined) throw new WireError('a message without job uid and attempt');
  return fence;
}

function knownClass(name: string): FailureClass {
  return name in exitCodes || name === 'killed' ? (name as FailureClass) : 'unknown';
}

function knownAbort(abort: proto.Abort): Abort {
  return { class: knownClass(abort.class), blamedRank: abort.blamedRank, message: abort.message.slice(0, 2048) };
}

function finite(constants: LinkConstants): LinkConstants {
  for (const [name, value] of Object.entries(constants)) {
    if (!(Number.isFinite(value) && value >= 0)) throw new WireError(`${name} is ${value}`);
  }
  return constants;
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
