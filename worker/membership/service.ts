import type { ChannelOptions, ServiceDefinition } from '@grpc/grpc-js';
import type { CoordinatorMessage, MemberMessage } from './message.ts';
import {
  decodeCoordinator,
  decodeMember,
  decodeStateChunk,
  decodeStateRequest,
  encodeCoordinator,
  encodeMember,
  encodeStateChunk,
  encodeStateRequest,
  maxMessageBytes,
  type StateRequest,
} from './wire.ts';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Stream of control messages: control.proto, `Join`. */
export const joinMethod = {
  path: '/hayate.membership.v1.Control/Join',
  requestStream: true,
  responseStream: true,
  requestSerialize: (message: MemberMessage): Buffer => asBuffer(encodeMember(message)),
  requestDeserialize: decodeMember,
  responseSerialize: (message: CoordinatorMessage): Buffer => asBuffer(encodeCoordinator(message)),
  responseDeserialize: decodeCoordinator,
};

/** Rank 0's state in the checkpoint format, in chunks: control.proto, `FetchState`. */
export const fetchStateMethod = {
  path: '/hayate.membership.v1.Control/FetchState',
  requestStream: false,
  responseStream: true,
  requestSerialize: (request: StateRequest): Buffer => asBuffer(encodeStateRequest(request)),
  requestDeserialize: decodeStateRequest,
  responseSerialize: (data: Uint8Array): Buffer => asBuffer(encodeStateChunk(data)),
  responseDeserialize: decodeStateChunk,
};

export const controlService: ServiceDefinition = {
  join: joinMethod,
  fetchState: fetchStateMethod,
};

/** Bytes of state in one message of `FetchState`. */
export const stateChunkBytes = 512 << 10;

/**
 * Bounds of a control channel. The silence of a peer is found by our own heartbeats; grpc's keepalive would take a
 * main thread that is busy for a second for a dead one.
 */
export const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
};
