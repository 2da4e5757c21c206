import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { ExchangeError } from '../exchange.ts';
import { unreachable } from '../failures.ts';
import { maxPayloadBytes } from './frame.ts';
import type { PeerAddress, Transport, TransportListener } from './transport.ts';

export interface GrpcOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  rank: number;
  worldSize: number;
  /** A peer that shows another one is refused. See fence.ts. */
  fence: bigint;
}

// What it would print reaches our callers as errors.
setLogVerbosity(logVerbosity.NONE);

const maxMessageBytes = maxPayloadBytes + (64 << 10);
const maxRequestBytes = 1024;
const retryMs = 50;

const path = '/hayate.exchange.v1.Lane/Open';
const identity = (bytes: Buffer): Buffer => bytes;

const channelOptions: ChannelOptions = {
  // grpc-js servers ignore the window (grpc-node#3058): hence the receiver dials, and bulk flows from server to client.
  'grpc-node.flow_control_window': 16 << 20,
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 250,
  'grpc.dns_min_time_between_resolutions_ms': 250,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
};

type Incoming = ServerDuplexStream<Buffer, Buffer>;
type Outgoing = ClientDuplexStream<Buffer, Buffer>;

/** Listens at once, so that peers can dial before {@link Transport.connect}. Throws `portInUse`. */
export async function listenGrpc(options: GrpcOptions): Promise<Transport> {
  const end = new GrpcEnd(options);
  await end.listen();
  return end;
}

class GrpcEnd implements Transport {
  port = 0;
  readonly #options: GrpcOptions;
  readonly #server = new Server({ 'grpc.max_receive_message_length': maxRequestBytes });
  readonly #clients: Client[] = [];
  /** By rank: its requests come in here, and our frames go out. */
  readonly #incoming: (Incoming | undefined)[] = [];
  /** By rank: our requests go out here, and its frames come in. */
  readonly #outgoing: (Outgoing | undefined)[] = [];
  /** Ranks from which nothing more is expected. */
  readonly #gone = new Set<number>();
  #listener: TransportListener | undefined;
  #closing = false;
  #changed: () => void = () => {};

  constructor(options: GrpcOptions) {
    this.#options = options;
    const method = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };
    this.#server.addService({ open: method }, { open: (call: Incoming) => this.#accept(call) });
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.bindAsync(address, ServerCredentials.createInsecure(), (cause, bound) => {
      this.port = bound;
      if (cause === null) return resolve();
      const why = cause.message.includes('EADDRINUSE') ? 'another program uses it' : cause.message;
      reject(
        new ExchangeError(
          'portInUse',
          `cannot listen on ${address} for gradient exchange: ${why}; end that program or choose another communication.port`,
          { cause },
        ),
      );
    });
    return promise;
  }

  async connect(peers: readonly PeerAddress[], timeoutMs: number, listener: TransportListener): Promise<void> {
    this.#listener = listener;
    for (const [rank, call] of this.#incoming.entries()) if (call !== undefined) this.#read(rank, call);
    const deadline = performance.now() + timeoutMs;
    await Promise.all(this.#others().map((rank) => this.#dial(rank, peers[rank]!, deadline)));
    const missing = () => this.#others().filter((rank) => this.#incoming[rank] === undefined);
    while (missing().length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed = resolve;
      const left = deadline - performance.now();
      if (left <= 0) throw unreachable(missing(), timeoutMs, 'it did not dial this rank');
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
  }

  send(to: number, frame: Buffer, taken: () => void): void {
    const call = this.#gone.has(to) ? undefined : this.#incoming[to];
    if (call === undefined) taken();
    else call.write(frame, taken);
  }

  request(to: number, request: Buffer): void {
    if (!this.#gone.has(to)) this.#outgoing[to]?.write(request);
  }

  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const ended = this.#others().flatMap((rank) => {
      const calls = [this.#incoming[rank], this.#outgoing[rank]].filter((call) => call !== undefined);
      for (const call of calls) call.end();
      return calls.map((call) => (call.closed ? Promise.resolve() : new Promise((done) => call.once('close', done))));
    });
    await Promise.race([Promise.all(ended), new Promise((done) => setTimeout(done, timeoutMs).unref())]);
    for (const client of this.#clients) client.close();
    this.#server.forceShutdown();
  }

  #others(): number[] {
    const { rank, worldSize } = this.#options;
    return Array.from({ length: worldSize }, (_, r) => r).filter((r) => r !== rank);
  }

  #accept(call: Incoming): void {
    const { worldSize, rank: own, fence } = this.#options;
    const rank = Number(call.metadata.get('rank')[0]);
    const refusal =
      call.metadata.get('fence')[0] !== fence.toString(16)
        ? 'this rank belongs to another attempt'
        : !Number.isInteger(rank) || rank < 0 || rank >= worldSize || rank === own
          ? `there is no peer of rank ${rank} in a group of ${worldSize}`
          : undefined;
    if (refusal !== undefined) {
      call.on('error', () => {});
      call.emit('error', { code: status.FAILED_PRECONDITION, details: refusal });
      return;
    }
    let polite = false;
    this.#incoming[rank]?.end();
    this.#incoming[rank] = call;
    call.sendMetadata(new Metadata());
    call.on('end', () => {
      polite = true;
      call.end();
    });
    call.on('cancelled', () => {
      if (this.#incoming[rank] !== call) return;
      if (this.#listener === undefined) this.#incoming[rank] = undefined;
      else if (!polite) this.#lose(rank, 'it stopped reading');
    });
    call.on('error', (error) => {
      if (this.#incoming[rank] === call) this.#lose(rank, error.message);
    });
    if (this.#listener !== undefined) this.#read(rank, call);
    this.#changed();
  }

  #read(rank: number, call: Incoming): void {
    call.on('data', (bytes: Buffer) => this.#listener?.request(rank, bytes));
  }

  /** Tries until `deadline`; what the last try met is part of the error. */
  async #dial(rank: number, { host, port }: PeerAddress, deadline: number): Promise<void> {
    const started = performance.now();
    const client = new Client(
      `${host.includes(':') ? `[${host}]` : host}:${port}`,
      credentials.createInsecure(),
      channelOptions,
    );
    this.#clients.push(client);
    let why = `nobody answers at ${host}:${port}`;
    while (!this.#closing) {
      const left = deadline - performance.now();
      if (left <= 0) throw unreachable([rank], deadline - started, why);
      if (await ready(client, left)) {
        const refusal = await this.#call(rank, client);
        if (refusal === undefined) return;
        why = refusal;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** One stream to `rank`: undefined once it is accepted, else why not. */
  #call(rank: number, client: Client): Promise<string | undefined> {
    const metadata = new Metadata();
    metadata.set('rank', String(this.#options.rank));
    metadata.set('fence', this.#options.fence.toString(16));
    const call = client.makeBidiStreamRequest(path, identity, identity, metadata);
    return new Promise((resolve) => {
      let accepted = false;
      call.on('metadata', () => {
        accepted = true;
        this.#outgoing[rank] = call;
        resolve(undefined);
      });
      call.on('data', (bytes: Buffer) => this.#listener?.frame(rank, bytes));
      // Told by 'status', which comes after everything that was received.
      call.on('error', () => {});
      call.on('status', ({ code, details }) => {
        if (!accepted) return resolve(details);
        if (code !== status.OK) return this.#lose(rank, details);
        if (this.#gone.has(rank) || this.#closing) return;
        this.#gone.add(rank);
        this.#listener?.left(rank);
      });
    });
  }

  #lose(rank: number, reason: string): void {
    if (this.#gone.has(rank) || this.#closing) return;
    this.#gone.add(rank);
    this.#listener?.lost(rank, reason);
  }
}

function ready(client: Client, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => resolve(error === undefined));
  });
}
