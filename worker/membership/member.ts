import type { FailureClass } from '@hayate/crds/exit-codes.ts';
import type { LinkConstants } from '../communication/schedule/types.ts';
import { type Dialled, dial, type Link, type OpenLink } from './dial.ts';
import type { Abort, CoordinatorMessage, Done, Hello, Ready, Start, Stop } from './message.ts';

/** The attempt is over for this rank. `code` is the class that this rank ends with. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
  readonly code: FailureClass;
  readonly retryable = true;
  readonly blamedRank: number | undefined;
  constructor(code: FailureClass, message: string, blamedRank?: number) {
    super(message);
    this.code = code;
    this.blamedRank = blamedRank;
  }
}

export interface MemberOptions {
  hello: Hello;
  reach: (signal: AbortSignal) => Promise<OpenLink>;
  /** Where rank 0 is expected, for sentences. */
  rank0: string;
  startupMs: number;
  patienceMs: number;
  retryMs: number;
  heartbeatMs: number;
  deadMs: number;
  clock: () => number;
  /** Steps done, told with every heartbeat. */
  step: () => number;
  onStop: (stop: Stop) => void;
  /** The attempt ended under way; called once. Every pending and later call throws the same error. */
  onEnd: (error: MembershipError) => void;
}

/** One rank's place in its group, from hello to dismissal. Calls are made in the order in which they stand here. */
export class Member {
  readonly #options: MemberOptions;
  readonly #table = Promise.withResolvers<readonly (readonly number[])[]>();
  readonly #constants = Promise.withResolvers<LinkConstants>();
  readonly #start = Promise.withResolvers<Start>();
  readonly #dismissed = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<never>();
  #end: MembershipError | undefined;
  #link: Link | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heardMs = 0;
  #tickedMs = 0;
  #left = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#ended.promise.catch(() => {});
  }

  /** Joins and waits for the whole group; returns the lane ports of every rank. */
  async join(): Promise<readonly (readonly number[])[]> {
    const { startupMs, rank0, clock } = this.#options;
    const owner = {
      onMessage: (message: CoordinatorMessage) => this.#onMessage(message),
      onClosed: (reason: string) => this.#finish(new MembershipError('peerLost', `lost rank 0: ${reason}`, 0)),
    };
    let answer: Dialled;
    try {
      answer = await Promise.race([dial(this.#options, owner, AbortSignal.timeout(startupMs)), this.#ended.promise]);
    } catch (cause) {
      if (cause instanceof MembershipError) throw cause;
      const message = `rank 0 at ${rank0} did not answer within ${startupMs / 1000} s (limits.startupSeconds)`;
      throw this.#finish(new MembershipError('peerLost', message, 0));
    }
    if (answer.kind === 'refused') {
      const { refusal } = answer;
      throw this.#finish(new MembershipError(refusal.class, `refused by rank 0: ${refusal.reason}`));
    }
    this.#link = answer.link;
    this.#heardMs = clock();
    this.#tickedMs = clock();
    this.#timer = setInterval(() => this.#tick(), this.#options.heartbeatMs);
    return await this.#orEnd(this.#table.promise);
  }

  /** Offers this rank's measurement, returns what the group agreed on. */
  async agree(measured: LinkConstants): Promise<LinkConstants> {
    this.#link?.send({ kind: 'constants', constants: measured });
    return await this.#orEnd(this.#constants.promise);
  }

  /** Says what this rank would run; returns when all agree. */
  async ready(ready: Ready): Promise<Start> {
    this.#link?.send({ kind: 'ready', ready });
    return await this.#orEnd(this.#start.promise);
  }

  /** Rank 0's state in the checkpoint format. */
  async fetchState(maxBytes: number): Promise<Uint8Array> {
    if (this.#link === undefined) throw new Error('fetchState before join');
    return await this.#orEnd(this.#link.fetchState(this.#options.hello, maxBytes));
  }

  /** Asks for an end of the whole group after a common step; the answer is `onStop`. False before this rank has joined. */
  requestStop(): boolean {
    this.#link?.send({ kind: 'stopRequest' });
    return this.#link !== undefined;
  }

  /** Waits until every rank has finished, so that none looks lost to those that still compute. */
  async done(done: Done): Promise<void> {
    this.#link?.send({ kind: 'done', done });
    await this.#orEnd(this.#dismissed.promise);
    this.#leave();
  }

  /**
   * Tells the group why this rank cannot go on, and waits up to `verdictMs` for the group's verdict: the first cause
   * wins, which may be another than this one.
   */
  async abort(cause: Abort, verdictMs: number): Promise<MembershipError> {
    if (this.#end !== undefined) return this.#end;
    const own = new MembershipError(cause.class, cause.message, cause.blamedRank);
    if (this.#link === undefined) return this.#finish(own);
    this.#link.send({ kind: 'abort', abort: cause });
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<never>((_, reject) => {
      timer = setTimeout(reject, verdictMs, own);
    });
    try {
      return await Promise.race([this.#ended.promise, patience]);
    } catch (verdict) {
      return this.#finish(verdict as MembershipError);
    } finally {
      clearTimeout(timer);
    }
  }

  #onMessage(message: CoordinatorMessage): void {
    this.#heardMs = this.#options.clock();
    switch (message.kind) {
      case 'table':
        return this.#table.resolve(message.lanePorts);
      case 'constants':
        return this.#constants.resolve(message.constants);
      case 'start':
        return this.#start.resolve(message.start);
      case 'stop':
        return this.#options.onStop(message.stop);
      case 'dismissed':
        return this.#dismissed.resolve();
      case 'abort':
        this.#finish(verdict(message.abort, this.#options.hello.rank));
        return;
      case 'refused':
        this.#finish(new MembershipError(message.refusal.class, message.refusal.reason));
        return;
      case 'welcome':
      case 'heartbeat':
        return;
      default:
        assertNever(message);
    }
  }

  #tick(): void {
    const { clock, heartbeatMs, deadMs, step } = this.#options;
    const now = clock();
    const lateMs = now - this.#tickedMs - heartbeatMs;
    this.#tickedMs = now;
    if (lateMs > deadMs && this.#options.hello.rank !== 0) {
      const seconds = (lateMs / 1000).toFixed(1);
      this.#finish(
        new MembershipError('fenced', `this process did not run for ${seconds} s: the group has gone on without it`),
      );
      return;
    }
    if (lateMs > deadMs / 2) this.#heardMs = now;
    if (now - this.#heardMs > deadMs) {
      this.#finish(new MembershipError('peerLost', `rank 0 was silent for more than ${deadMs / 1000} s`, 0));
      return;
    }
    this.#link?.send({ kind: 'heartbeat', step: step() });
  }

  /** The first end counts. */
  #finish(error: MembershipError): MembershipError {
    if (this.#end !== undefined || this.#left) return this.#end ?? error;
    this.#end = error;
    this.#leave();
    this.#ended.reject(error);
    this.#options.onEnd(error);
    return error;
  }

  #leave(): void {
    this.#left = true;
    clearInterval(this.#timer);
    this.#link?.close();
  }

  #orEnd<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#ended.promise]);
  }
}

/** What the group's abort means for one rank: its own cause, or that another rank failed first. */
function verdict({ class: cause, blamedRank, message }: Abort, rank: number): MembershipError {
  if (blamedRank !== rank) {
    const text = cause === 'peerLost' ? message : `rank ${blamedRank} failed first (${cause}): ${message}`;
    return new MembershipError('peerLost', text, blamedRank);
  }
  return cause === 'peerLost'
    ? new MembershipError('fenced', `the group has gone on without this rank: ${message}`, rank)
    : new MembershipError(cause, message, rank);
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
