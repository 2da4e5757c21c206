import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import type { Coordinator } from './coordinator.ts';
import type { CoordinatorMessage, Hello, MemberMessage, Refusal } from './message.ts';
import { channelOptions, fetchStateMethod, joinMethod } from './service.ts';

/** A member's connection to rank 0. */
export interface Link {
  send: (message: MemberMessage) => void;
  /** All bytes of rank 0's state; at most `maxBytes`. */
  fetchState: (hello: Hello, maxBytes: number) => Promise<Uint8Array>;
  close: () => void;
}

export interface LinkOwner {
  onMessage: (message: CoordinatorMessage) => void;
  onClosed: (reason: string) => void;
}

/** Rank 0's own member: no network between. */
export function localLink(coordinator: Coordinator, owner: LinkOwner): Link {
  const end = coordinator.accept({
    deliver: (message) => queueMicrotask(() => owner.onMessage(message)),
    hangUp: () => queueMicrotask(() => owner.onClosed('refused')),
  });
  return {
    send: end.receive,
    fetchState: () => Promise.reject(new Error('rank 0 has its own state')),
    close: () => end.lost('ended'),
  };
}

/** One connection to rank 0 at `address` (ip:port); a failure to connect is an `onClosed`. */
export function grpcLink(address: string, owner: LinkOwner): Link {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), channelOptions);
  const call = client.makeBidiStreamRequest(
    joinMethod.path,
    joinMethod.requestSerialize,
    joinMethod.responseDeserialize,
  );
  let closed = false;
  const close = (reason: string) => {
    if (closed) return;
    closed = true;
    client.close();
    owner.onClosed(reason);
  };
  call.on('data', owner.onMessage);
  call.on('end', () => close('its control connection closed'));
  call.on('error', (error: grpc.ServiceError) => close(error.details || error.message));
  return {
    send: (message) => {
      if (!closed) call.write(message);
    },
    fetchState: ({ jobUid, attempt, incarnation, rank }, maxBytes) => {
      const { path, requestSerialize, responseDeserialize } = fetchStateMethod;
      const request = { jobUid, attempt, incarnation, rank };
      return collect(client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request), maxBytes);
    },
    close: () => {
      closed = true;
      call.end();
      client.close();
    },
  };
}

async function collect(call: grpc.ClientReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of call as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      call.cancel();
      throw new Error(`rank 0's state is larger than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Opens a connection whose messages go to the owner. */
export type OpenLink = (owner: LinkOwner) => Link;

export interface DialOptions {
  hello: Hello;
  /** How to reach rank 0; asked anew for every try, because its address may appear or change. */
  reach: (signal: AbortSignal) => Promise<OpenLink>;
  /** How long another job or an older attempt at that address may go on before its refusal is final. */
  patienceMs: number;
  retryMs: number;
  clock: () => number;
}

type Answer = { kind: 'joined'; link: Link } | { kind: 'refused'; refusal: Refusal } | { kind: 'unreachable' };
export type Dialled = Exclude<Answer, { kind: 'unreachable' }>;

/**
 * Dials rank 0 until it lets us in or refuses us for good. From the welcome on the link's messages go to `owner`.
 * Throws when `signal` aborts.
 */
export async function dial(options: DialOptions, owner: LinkOwner, signal: AbortSignal): Promise<Dialled> {
  const startedMs = options.clock();
  for (;;) {
    const answer = await knock(await options.reach(signal), options.hello, owner, signal);
    if (answer.kind === 'joined') return answer;
    const patient = options.clock() - startedMs < options.patienceMs;
    if (answer.kind === 'refused' && !(answer.refusal.retry && patient)) return answer;
    await sleep(options.retryMs, undefined, { signal });
  }
}

function knock(open: OpenLink, hello: Hello, owner: LinkOwner, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    let joined = false;
    const settle = (answer: Answer) => {
      signal.removeEventListener('abort', onAbort);
      if (answer.kind !== 'joined') link.close();
      resolve(answer);
    };
    const link = open({
      onMessage: (message) => {
        if (joined) return owner.onMessage(message);
        if (message.kind === 'refused') return settle({ kind: 'refused', refusal: message.refusal });
        if (message.kind !== 'welcome') return;
        joined = true;
        settle({ kind: 'joined', link });
      },
      onClosed: (reason) => (joined ? owner.onClosed(reason) : settle({ kind: 'unreachable' })),
    });
    const onAbort = () => settle({ kind: 'unreachable' });
    signal.addEventListener('abort', onAbort);
    link.send({ kind: 'hello', hello });
  });
}
