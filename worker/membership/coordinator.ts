import * as grpc from '@grpc/grpc-js';
import { portInUse } from '../ports.ts';
import type { CoordinatorMessage, MemberMessage, Refusal } from './message.ts';
import { type Effect, emptyQuorum, type Group, isOver, type Quorum, type QuorumEvent, transition } from './quorum.ts';
import { channelOptions, controlService, stateChunkBytes } from './service.ts';
import type { StateRequest } from './wire.ts';

export interface CoordinatorOptions {
  group: Group;
  host: string;
  port: number;
  heartbeatMs: number;
  /** A connection that has not said hello by then is closed. */
  helloMs: number;
  /** Monotonic milliseconds. */
  clock: () => number;
  /** A step that no rank can have passed 1 s from now. */
  stopStep: () => number;
}

/** The coordinator's half of a connection: how it speaks to one member. */
interface Line {
  deliver: (message: CoordinatorMessage) => void;
  hangUp: () => void;
}

/** A member's half of a connection. */
export interface CoordinatorEnd {
  receive: (message: MemberMessage) => void;
  lost: (message: string) => void;
}

type JoinCall = grpc.ServerDuplexStream<MemberMessage, CoordinatorMessage>;
type StateCall = grpc.ServerWritableStream<StateRequest, Uint8Array>;

/**
 * Rank 0's side of membership: takes connections, feeds the quorum's one transition function and carries out what it
 * answers. Remote members come over gRPC, rank 0's own member through {@link Coordinator.accept} directly.
 */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #server: grpc.Server;
  readonly #lines = new Map<number, Line>();
  readonly #timer: NodeJS.Timeout;
  #quorum: Quorum = emptyQuorum;
  #tickedMs: number;
  #state: readonly Uint8Array[] | undefined;
  port = 0;

  /** Listens; throws {@link PortInUseError}. */
  static async listen(options: CoordinatorOptions): Promise<Coordinator> {
    // What grpc would print to stderr reaches the log as this process's own sentences.
    grpc.setLogVerbosity(grpc.logVerbosity.NONE);
    const coordinator = new Coordinator(options);
    const address = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
    try {
      coordinator.port = await new Promise<number>((resolve, reject) => {
        coordinator.#server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
          if (error === null) resolve(port);
          else reject(error);
        });
      });
    } catch (cause) {
      await coordinator.close(0);
      throw portInUse(options.host, options.port, 'free it or set communication.port', cause);
    }
    return coordinator;
  }

  private constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#server = new grpc.Server({
      ...channelOptions,
      'grpc.max_concurrent_streams': 16,
      'grpc.max_metadata_size': 8192,
    });
    this.#server.addService(controlService, {
      join: (call: JoinCall) => this.#join(call),
      fetchState: (call: StateCall) => void this.#fetchState(call),
    });
    this.#tickedMs = options.clock();
    this.#timer = setInterval(() => this.#tick(), options.heartbeatMs);
  }

  /** Offers rank 0's state, in the checkpoint format, to ranks that start from different bytes. */
  offerState(pieces: readonly Uint8Array[]): void {
    this.#state = pieces;
  }

  /** Lets a connection in; the member behind it is nobody until its hello. */
  accept(line: Line): CoordinatorEnd {
    let rank: number | undefined;
    return {
      receive: (message) => {
        if (message.kind === 'hello') {
          if (rank !== undefined) return;
          if (this.#apply({ kind: 'hello', hello: message.hello }, line)) rank = message.hello.rank;
        } else if (rank === undefined) {
          refuse(line, { class: 'configuration', reason: 'the first message must be a hello', retry: false });
        } else if (message.kind === 'stopRequest') {
          this.#apply({ kind: 'stopRequest', rank, afterStep: this.#options.stopStep() });
        } else {
          this.#apply({ kind: 'message', rank, message });
        }
      },
      lost: (message) => {
        if (rank === undefined || this.#lines.get(rank) !== line) return;
        this.#lines.delete(rank);
        this.#apply({ kind: 'lost', rank, message: `rank ${rank}: ${message}` });
      },
    };
  }

  /** Waits up to `flushMs` for members to take their last message and leave, then closes everything. */
  async close(flushMs: number): Promise<void> {
    clearInterval(this.#timer);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, flushMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#server.forceShutdown();
  }

  #tick(): void {
    const now = this.#options.clock();
    const lateMs = now - this.#tickedMs - this.#options.heartbeatMs;
    this.#tickedMs = now;
    this.#apply(lateMs > this.#options.group.deadMs / 2 ? { kind: 'slept', ms: lateMs } : { kind: 'tick' });
    if (!isOver(this.#quorum)) this.#broadcast({ kind: 'heartbeat', step: 0 });
  }

  /** True unless the sender was refused. */
  #apply(event: QuorumEvent, sender?: Line): boolean {
    const { quorum, effects } = transition(this.#options.group, this.#quorum, event, this.#options.clock());
    this.#quorum = quorum;
    for (const effect of effects) this.#perform(effect, sender);
    return !effects.some((effect) => effect.kind === 'refuse');
  }

  #perform(effect: Effect, sender: Line | undefined): void {
    switch (effect.kind) {
      case 'refuse':
        if (sender !== undefined) refuse(sender, effect.refusal);
        return;
      case 'welcome':
        if (sender !== undefined) this.#lines.set(effect.rank, sender);
        sender?.deliver({ kind: 'welcome' });
        return;
      case 'broadcast':
        this.#broadcast(effect.message);
        return;
      default:
        assertNever(effect);
    }
  }

  #broadcast(message: CoordinatorMessage): void {
    for (const line of this.#lines.values()) line.deliver(message);
  }

  #join(call: JoinCall): void {
    const end = this.accept({ deliver: (message) => void call.write(message), hangUp: () => call.end() });
    const nobody = setTimeout(() => call.end(), this.#options.helloMs);
    const gone = (message: string) => {
      clearTimeout(nobody);
      end.lost(message);
    };
    call.on('data', (message: MemberMessage) => {
      if (message.kind === 'hello') clearTimeout(nobody);
      end.receive(message);
    });
    call.on('end', () => {
      gone('it closed its control connection');
      call.end();
    });
    call.on('cancelled', () => gone('its control connection broke'));
    call.on('error', (error: Error) => gone(`its control connection failed (${error.message})`));
  }

  async #fetchState(call: StateCall): Promise<void> {
    const { jobUid, attempt } = this.#options.group;
    const { request } = call;
    call.on('error', () => {});
    if (request.jobUid !== jobUid || request.attempt !== attempt || this.#state === undefined) {
      call.emit('error', { code: grpc.status.FAILED_PRECONDITION, details: 'no state for this job and attempt' });
      return;
    }
    for (const piece of this.#state) {
      for (let at = 0; at < piece.length; at += stateChunkBytes) {
        if (call.cancelled) return;
        const room = call.write(piece.subarray(at, at + stateChunkBytes));
        if (!room) await drained(call);
      }
    }
    call.end();
  }
}

function drained(call: StateCall): Promise<void> {
  return new Promise((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', resolve);
  });
}

function refuse(line: Line, refusal: Refusal): void {
  line.deliver({ kind: 'refused', refusal });
  line.hangUp();
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
