import { type Arena, laneOf, planProgram } from './arena.ts';
import type { Program } from './collective/program.ts';
import { type Action, Progress } from './collective/progress.ts';
import type { ExchangeError } from './exchange.ts';
import { defectSentence, gone, timedOut, unusable, type Waiting } from './failures.ts';
import { createTreeSum, type KernelMemory, type TreeSum } from './reduce/kernel.ts';
import type { Phase } from './schedule/priority.ts';
import type { Collective, ExchangePlan } from './schedule/types.ts';
import { type QueuedSend, SendQueue } from './send-queue.ts';
import { SharedState, toRecord } from './shared-state.ts';
import { decodeFrame, encodeFrame, type Frame, headerBytes } from './transport/frame.ts';
import { decodeRequest, encodeRequest } from './transport/request.ts';
import type { Transport, TransportListener } from './transport/transport.ts';

export interface LaneOptions {
  lane: number;
  rank: number;
  worldSize: number;
  fence: bigint;
  timeoutMs: number;
  transport: Transport;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
  /** Called once, with the first failure. */
  onFailure: (error: ExchangeError) => void;
}

/** What a lane has done since it started, in payload bytes sent and in buckets that it was the last lane to complete. */
export interface LaneStats {
  bytesByCollective: Record<Collective, number>;
  bucketsByCollective: Record<Collective, number>;
  /** Frames that were dropped because they belong to another attempt or an earlier plan. */
  fencedFrames: number;
  waitingFor: Waiting[];
}

interface OpenBucket {
  program: Program;
  progress: Progress;
  /** Steps that this lane has taken up. */
  steps: number;
  /** When compute handed in the step that is not done yet. */
  since: number | undefined;
}

/** One plan in one shared memory. */
interface Opened {
  number: number;
  plan: ExchangePlan;
  arena: Arena;
  bytes: Uint8Array;
  state: SharedState;
  sum: TreeSum;
  buckets: readonly OpenBucket[];
  /** Room for frames that the transport has done with: as many as were under way at once. */
  spaces: Buffer[];
}

/** Moves and sums the chunks of one lane. Driven by its transport and by doorbells; never waits. */
export class Lane implements TransportListener {
  readonly #options: LaneOptions;
  readonly #stats: Omit<LaneStats, 'waitingFor'> = {
    bytesByCollective: { 'gather-sum': 0, 'split-sum': 0 },
    bucketsByCollective: { 'gather-sum': 0, 'split-sum': 0 },
    fencedFrames: 0,
  };
  #opened: Opened | undefined;
  #plans = 0;
  #queues: SendQueue[] = [];
  /** By rank: bytes received and not yet granted again. */
  readonly #ungranted: number[];
  /** By rank: grants for plans that this rank has not opened yet. */
  #early: { from: number; plan: number; bytes: number }[] = [];
  readonly #lastHeard: number[];
  readonly #left = new Set<number>();
  #probe: { left: number; done: () => void; failed: (error: ExchangeError) => void } | undefined;
  #ready = 0;
  #failure: ExchangeError | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#ungranted = Array.from({ length: options.worldSize }, () => 0);
    this.#lastHeard = Array.from({ length: options.worldSize }, () => 0);
  }

  /** Takes up a plan; all ranks open the same plans in the same order. Peers may send from now on. */
  open(plan: ExchangePlan, arena: Arena, memory: KernelMemory): void {
    const { rank, worldSize, lane } = this.#options;
    const lanes = arena.scratch.length;
    const buckets = plan.buckets.map(({ id }): OpenBucket => {
      const program = planProgram(plan, id, rank);
      const mine = [...program.chunks.keys()].filter((chunk) => laneOf(id, chunk, lanes) === lane);
      return { program, progress: new Progress(program, rank, worldSize, mine), steps: 0, since: undefined };
    });
    this.#opened = {
      number: this.#plans,
      plan,
      arena,
      bytes: new Uint8Array(memory.buffer),
      state: new SharedState(memory.buffer, arena.stateOffset, plan.buckets.length),
      sum: createTreeSum(memory, arena.scratch[lane]!),
      buckets,
      spaces: [],
    };
    this.#queues = Array.from({ length: worldSize }, () => new SendQueue(plan.order));
    this.#ungranted.fill(0);
    if (this.#failure !== undefined) this.#opened.state.fail(toRecord(this.#failure));
    for (const peer of this.#peers()) {
      const request = { kind: 'credit', plan: this.#plans, bytes: plan.creditBytes } as const;
      this.#options.transport.request(peer, encodeRequest(request));
    }
    for (const { from, plan: number, bytes } of this.#early)
      if (number === this.#plans) this.#queues[from]!.grant(bytes);
    this.#early = this.#early.filter(({ plan: number }) => number > this.#plans);
    this.#plans += 1;
  }

  /** Compute has handed in the next step of `bucket`. */
  submitted(bucket: number): void {
    const opened = this.#opened;
    const open = opened?.buckets[bucket];
    if (opened === undefined || open === undefined || this.#failure !== undefined) return;
    // The atomic read makes what compute wrote before it visible; a doorbell without a step behind it is nothing.
    if (open.steps >= opened.state.submitted(bucket)) return;
    open.since = this.#options.now();
    const step = open.steps;
    open.steps += 1;
    this.#act(opened, bucket, open.progress.submit(step));
    for (const rank of this.#left) this.#missLeft(rank);
  }

  /** Asks `peer` for `count` messages of `bytes`; resolves when all are here. One at a time. */
  probe(peer: number, count: number, bytes: number): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#failure !== undefined) return failed(this.#failure);
      this.#probe = { left: count, done, failed };
      this.#options.transport.request(peer, encodeRequest({ kind: 'probe', count, bytes }));
    });
  }

  /** Ends the exchange when a bucket has been waiting for `timeoutMs` and its missing ranks were silent as long. */
  checkTimeout(): void {
    const now = this.#options.now();
    const { timeoutMs } = this.#options;
    for (const waiting of this.#waiting()) {
      const heard = Math.max(0, ...waiting.ranks.map((rank) => this.#lastHeard[rank] ?? 0));
      if (waiting.seconds * 1000 < timeoutMs || now - heard < timeoutMs) continue;
      this.fail(timedOut(waiting, this.#opened!.plan.buckets[waiting.bucket]!.layer, timeoutMs));
    }
  }

  stats(): LaneStats {
    return structuredClone({ ...this.#stats, waitingFor: this.#waiting() });
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** The first failure ends the exchange for compute and for the other lanes. */
  fail(error: ExchangeError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#opened?.state.fail(toRecord(error));
    this.#probe?.failed(error);
    this.#options.onFailure(error);
  }

  frame(from: number, bytes: Buffer): void {
    if (this.#failure !== undefined) return;
    const decoded = decodeFrame(bytes, this.#options.fence);
    if (decoded.kind === 'defect') {
      if (decoded.defect === 'otherAttempt') this.#stats.fencedFrames += 1;
      else this.#refuse(from, defectSentence(decoded.defect));
      return;
    }
    const { frame } = decoded;
    this.#lastHeard[from] = this.#options.now();
    if (frame.source !== from) return this.#refuse(from, `it claims to come from rank ${frame.source}`);
    if (frame.phase === 'probe') {
      if (this.#probe !== undefined && --this.#probe.left === 0) this.#probe.done();
      return;
    }
    if (frame.plan !== this.#opened?.number) {
      this.#stats.fencedFrames += 1;
      return;
    }
    this.#take(this.#opened, from, frame, frame.phase);
  }

  request(from: number, bytes: Buffer): void {
    if (this.#failure !== undefined) return;
    const request = decodeRequest(bytes);
    this.#lastHeard[from] = this.#options.now();
    if (request === undefined) return this.#refuse(from, 'it is no request');
    if (request.kind === 'probe') {
      const { rank: source, fence, transport } = this.#options;
      const header = { phase: 'probe', source, fence, plan: 0, step: 0, bucket: 0, chunk: 0, offset: 0 } as const;
      const frame = encodeFrame(header, new Uint8Array(request.bytes));
      for (let i = 0; i < request.count; i++) transport.send(from, frame, () => {});
    } else if (request.plan === this.#opened?.number) {
      this.#queues[from]!.grant(request.bytes);
      this.#pump(this.#opened, from);
    } else if (request.plan >= this.#plans) {
      this.#early.push({ from, plan: request.plan, bytes: request.bytes });
    }
  }

  left(rank: number): void {
    this.#left.add(rank);
    this.#missLeft(rank);
  }

  #refuse(from: number, what: string): void {
    this.fail(unusable(from, what));
  }

  lost(rank: number, reason: string): void {
    this.fail(gone(rank, reason));
  }

  #missLeft(rank: number): void {
    if (this.#waiting().some(({ ranks }) => ranks.includes(rank))) this.lost(rank, 'it left while its part was due');
  }

  #peers(): number[] {
    const { rank, worldSize } = this.#options;
    return Array.from({ length: worldSize - 1 }, (_, i) => (rank + 1 + i) % worldSize);
  }

  #take(opened: Opened, from: number, frame: Frame, phase: Phase): void {
    const { bucket, chunk, step, payload } = frame;
    const open = opened.buckets[bucket];
    if (open === undefined) return this.#refuse(from, `it names bucket ${bucket}, which the plan does not have`);
    const refusal = open.progress.refuse(phase, chunk, from, step);
    if (refusal !== undefined) return this.#refuse(from, `in bucket ${bucket}, ${refusal.refused}`);
    const { offset, length } = open.program.chunks[chunk]!;
    if (frame.offset !== offset || payload.length !== 4 * length)
      return this.#refuse(from, `chunk ${chunk} of bucket ${bucket} has other bounds`);
    const place =
      phase === 'result'
        ? opened.arena.slots[bucket]!.result + 4 * offset
        : this.#contribution(opened, bucket, chunk, from, step);
    opened.bytes.set(payload, place);
    this.#act(opened, bucket, open.progress.arrive(phase, chunk, from, step));
    this.#grant(opened, from, payload.length);
  }

  /** Credit goes back in halves: fewer messages, and a sender with a chunk to send always has enough. */
  #grant(opened: Opened, to: number, bytes: number): void {
    const ungranted = this.#ungranted[to]! + bytes;
    const due = ungranted >= opened.plan.creditBytes / 2;
    this.#ungranted[to] = due ? 0 : ungranted;
    const request = { kind: 'credit', plan: opened.number, bytes: ungranted } as const;
    if (due) this.#options.transport.request(to, encodeRequest(request));
  }

  /** Address of what `source` contributes to a chunk that is summed here. */
  #contribution(opened: Opened, bucket: number, chunk: number, source: number, step: number): number {
    const { rank, worldSize } = this.#options;
    const { outgoing, receive, receiveStride } = opened.arena.slots[bucket]!;
    const { program } = opened.buckets[bucket]!;
    const { offset, receiveOffset } = program.chunks[chunk]!;
    if (source === rank) return outgoing + 4 * offset;
    const set = step % program.receiveSets;
    const slot = set * (worldSize - 1) + (source < rank ? source : source - 1);
    return receive + slot * receiveStride + 4 * receiveOffset;
  }

  #act(opened: Opened, bucket: number, actions: readonly Action[]): void {
    const peers = new Set<number>();
    for (const action of actions) {
      switch (action.kind) {
        case 'send': {
          const { layer } = opened.plan.buckets[bucket]!;
          const { phase, chunk, to, step } = action;
          const bytes = 4 * opened.buckets[bucket]!.program.chunks[chunk]!.length;
          this.#queues[to]!.add({ bucket, step, layer, phase, chunk, bytes, ready: this.#ready++ });
          peers.add(to);
          break;
        }
        case 'sum':
          this.#sum(opened, bucket, action.chunk, action.step);
          break;
        case 'done':
          this.#done(opened, bucket, action.step);
          break;
        default:
          assertNever(action);
      }
    }
    for (const peer of peers) this.#pump(opened, peer);
  }

  #sum(opened: Opened, bucket: number, chunk: number, step: number): void {
    const { offset, length } = opened.buckets[bucket]!.program.chunks[chunk]!;
    const sources = Array.from({ length: this.#options.worldSize }, (_, source) =>
      this.#contribution(opened, bucket, chunk, source, step),
    );
    opened.sum(opened.arena.slots[bucket]!.result + 4 * offset, sources, 4 * length);
  }

  #done(opened: Opened, bucket: number, step: number): void {
    const { collective } = opened.plan.buckets[bucket]!;
    opened.buckets[bucket]!.since = undefined;
    const last = opened.state.laneDone(bucket, step, opened.arena.slots[bucket]!.lanes.length);
    if (last) this.#stats.bucketsByCollective[collective] += 1;
  }

  #pump(opened: Opened, peer: number): void {
    for (let send = this.#queues[peer]!.next(); send !== undefined; send = this.#queues[peer]!.next()) {
      const space = opened.spaces.pop() ?? Buffer.allocUnsafeSlow(headerBytes + opened.plan.chunkBytes);
      const frame = this.#encode(opened, send, space);
      this.#options.transport.send(peer, frame, () => opened.spaces.push(space));
      this.#stats.bytesByCollective[opened.plan.buckets[send.bucket]!.collective] += send.bytes;
      this.#act(opened, send.bucket, opened.buckets[send.bucket]!.progress.sent(send.step));
    }
  }

  #encode(opened: Opened, { bucket, chunk, phase, step }: QueuedSend, space: Buffer): Buffer {
    const { rank: source, fence } = this.#options;
    const { offset, length } = opened.buckets[bucket]!.program.chunks[chunk]!;
    const { outgoing, result } = opened.arena.slots[bucket]!;
    const start = (phase === 'result' ? result : outgoing) + 4 * offset;
    const header = { phase, source, fence, plan: opened.number, step, bucket, chunk, offset };
    return encodeFrame(header, opened.bytes.subarray(start, start + 4 * length), space);
  }

  #waiting(): Waiting[] {
    const now = this.#options.now();
    return (this.#opened?.buckets ?? []).flatMap(({ progress, steps, since }, bucket) => {
      if (since === undefined) return [];
      const step = steps - 1;
      const owing = progress.waitingFor(step);
      const unread = this.#peers().filter((peer) => this.#queues[peer]!.has(bucket));
      return [{ bucket, step, ranks: owing.length > 0 ? owing : unread, seconds: (now - since) / 1000 }];
    });
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown case ${String(value)}`);
}
