import type { LinkConstants } from '../communication/schedule/types.ts';
import type { Abort, CoordinatorMessage, Done, Hello, MemberMessage, Ready, Refusal, Stop } from './message.ts';

/** Version of the control messages; both ends must have the same. */
export const protocolVersion = 1;

/** What does not change while an attempt lives. Times are of one monotonic clock. */
export interface Group {
  jobUid: string;
  attempt: number;
  worldSize: number;
  /** All ranks must be training by then. */
  startByMs: number;
  startupMs: number;
  /** A rank that was silent for so long is lost. */
  deadMs: number;
  mergeConstants: (all: readonly LinkConstants[]) => LinkConstants;
}

/** A rank that has joined. */
interface Seat {
  incarnation: string;
  lanePorts: readonly number[];
  heardMs: number;
  step: number;
}

type Seats = ReadonlyMap<number, Seat>;

/** Where an attempt stands, seen by rank 0. */
export type Quorum =
  | { phase: 'gathering'; seats: Seats }
  | { phase: 'calibrating'; seats: Seats; constants: ReadonlyMap<number, LinkConstants> }
  | { phase: 'preparing'; seats: Seats; ready: ReadonlyMap<number, Ready> }
  | { phase: 'training'; seats: Seats; done: ReadonlyMap<number, Done>; stop: Stop | undefined }
  | { phase: 'dismissed'; seats: Seats }
  | { phase: 'aborted'; seats: Seats; abort: Abort };

export type QuorumEvent =
  /** A message of a rank; its first one must be a hello, later ones come with the rank that hello named. */
  | { kind: 'message'; rank: number; message: Exclude<MemberMessage, { kind: 'hello' | 'stopRequest' }> }
  | { kind: 'hello'; hello: Hello }
  /** A rank asks to end; `afterStep` is a step that no rank can have passed when it hears of it. */
  | { kind: 'stopRequest'; rank: number; afterStep: number }
  | { kind: 'lost'; rank: number; message: string }
  | { kind: 'tick' }
  /** Rank 0 itself did not run for a while: what it has not heard meanwhile says nothing about the others. */
  | { kind: 'slept'; ms: number };

export type Effect =
  | { kind: 'refuse'; refusal: Refusal }
  | { kind: 'welcome'; rank: number }
  | { kind: 'broadcast'; message: CoordinatorMessage };

export interface Transition {
  quorum: Quorum;
  effects: readonly Effect[];
}

export const emptyQuorum: Quorum = { phase: 'gathering', seats: new Map() };

/** The only way a quorum changes. */
export function transition(group: Group, quorum: Quorum, event: QuorumEvent, nowMs: number): Transition {
  switch (event.kind) {
    case 'hello':
      return hello(group, quorum, event.hello, nowMs);
    case 'message':
      return message(group, heard(quorum, event.rank, nowMs), event.rank, event.message);
    case 'stopRequest':
      return stopRequest(quorum, event.rank, event.afterStep);
    case 'lost':
      return isOver(quorum)
        ? same(quorum)
        : abort(quorum, { class: 'peerLost', blamedRank: event.rank, message: event.message });
    case 'tick':
      return tick(group, quorum, nowMs);
    case 'slept':
      return slept(group, quorum, event.ms, nowMs);
    default:
      return assertNever(event);
  }
}

function hello(group: Group, quorum: Quorum, hello: Hello, nowMs: number): Transition {
  const refusal = refuse(group, quorum, hello);
  if (refusal !== undefined) return { quorum, effects: [{ kind: 'refuse', refusal }] };
  const { rank, incarnation, lanePorts } = hello;
  const seats = new Map(quorum.seats).set(rank, { incarnation, lanePorts, heardMs: nowMs, step: 0 });
  const welcome: Effect = { kind: 'welcome', rank };
  if (seats.size < group.worldSize) return { quorum: { phase: 'gathering', seats }, effects: [welcome] };
  const table = ranks(group).map((r) => seats.get(r)?.lanePorts ?? []);
  return {
    quorum: { phase: 'calibrating', seats, constants: new Map() },
    effects: [welcome, { kind: 'broadcast', message: { kind: 'table', lanePorts: table } }],
  };
}

/** Why this hello cannot be let in, or undefined. */
function refuse(group: Group, quorum: Quorum, hello: Hello): Refusal | undefined {
  const no = (reason: string, rest: Partial<Refusal> = {}): Refusal => ({
    class: 'fenced',
    retry: false,
    ...rest,
    reason,
  });
  if (hello.jobUid !== group.jobUid) {
    return no(`this address belongs to job ${group.jobUid}, not to job ${hello.jobUid}`, { retry: true });
  }
  if (hello.attempt < group.attempt) {
    return no(`attempt ${hello.attempt} is over: attempt ${group.attempt} has taken its place`);
  }
  if (hello.attempt > group.attempt) {
    return no(`rank 0 is still of attempt ${group.attempt}, before attempt ${hello.attempt}`, { retry: true });
  }
  if (hello.protocolVersion !== protocolVersion) {
    const reason = `rank ${hello.rank} speaks version ${hello.protocolVersion} of the control protocol, rank 0 version ${protocolVersion}; run one version of the worker in all pods`;
    return no(reason, { class: 'configuration' });
  }
  if (hello.worldSize !== group.worldSize || hello.rank >= group.worldSize) {
    const reason = `rank ${hello.rank} of ${hello.worldSize} does not fit a group of ${group.worldSize}`;
    return no(reason, { class: 'configuration' });
  }
  if (quorum.phase === 'aborted') {
    return no(`the attempt has ended: ${quorum.abort.message}`, { class: 'peerLost' });
  }
  if (quorum.seats.has(hello.rank)) {
    return no(`rank ${hello.rank} has joined already, as another process or over another connection`);
  }
  return undefined;
}

function message(
  group: Group,
  quorum: Quorum,
  rank: number,
  message: Exclude<MemberMessage, { kind: 'hello' | 'stopRequest' }>,
): Transition {
  if (!quorum.seats.has(rank) || isOver(quorum)) return same(quorum);
  switch (message.kind) {
    case 'heartbeat':
      return same(withSeat(quorum, rank, { step: message.step }));
    case 'abort':
      return abort(quorum, message.abort);
    case 'constants':
      if (quorum.phase !== 'calibrating') return same(quorum);
      return constants(group, quorum, rank, message.constants);
    case 'ready':
      if (quorum.phase !== 'preparing') return same(quorum);
      return ready(group, quorum, rank, message.ready);
    case 'done':
      if (quorum.phase !== 'training') return same(quorum);
      return done(group, quorum, rank, message.done);
    default:
      return assertNever(message);
  }
}

function constants(
  group: Group,
  quorum: Quorum & { phase: 'calibrating' },
  rank: number,
  measured: LinkConstants,
): Transition {
  const all = withFirst(quorum.constants, rank, measured);
  if (all.size < group.worldSize) return same({ ...quorum, constants: all });
  const agreed = group.mergeConstants(inRankOrder(group, all));
  return {
    quorum: { phase: 'preparing', seats: quorum.seats, ready: new Map() },
    effects: [{ kind: 'broadcast', message: { kind: 'constants', constants: agreed } }],
  };
}

function ready(group: Group, quorum: Quorum & { phase: 'preparing' }, rank: number, own: Ready): Transition {
  const all = withFirst(quorum.ready, rank, own);
  const chief = all.get(0);
  if (chief === undefined) return same({ ...quorum, ready: all });
  for (const [other, theirs] of all) {
    const difference = firstDifference(chief, theirs);
    if (difference === undefined) continue;
    const text = `rank ${other} would not run what rank 0 runs: ${difference}; give all workers the same program, parameters and version`;
    return abort(quorum, { class: 'configuration', blamedRank: other, message: text });
  }
  if (all.size < group.worldSize) return same({ ...quorum, ready: all });
  const { step, stateDigest } = chief;
  const fetching = ranks(group).filter((r) => all.get(r)?.stateDigest !== stateDigest);
  return {
    quorum: { phase: 'training', seats: quorum.seats, done: new Map(), stop: undefined },
    effects: [{ kind: 'broadcast', message: { kind: 'start', start: { step, stateDigest, fetching } } }],
  };
}

function firstDifference(chief: Ready, other: Ready): string | undefined {
  for (const [i, part] of chief.plan.entries()) {
    const theirs = other.plan[i];
    if (theirs?.name !== part.name) return `it has ${theirs?.name ?? 'nothing'} where rank 0 has ${part.name}`;
    if (theirs.digest !== part.digest) {
      return `${part.name} is ${theirs.digest.slice(0, 12)} against ${part.digest.slice(0, 12)}`;
    }
  }
  return undefined;
}

/** Ranks that end with different weights have not trained one network: that is never a success. */
function done(group: Group, quorum: Quorum & { phase: 'training' }, rank: number, own: Done): Transition {
  const all = withFirst(quorum.done, rank, own);
  if (all.size < group.worldSize) return same({ ...quorum, done: all });
  const chief = all.get(0);
  const differing = ranks(group).find((r) => all.get(r)?.weightsDigest !== chief?.weightsDigest);
  if (differing !== undefined) {
    const message = `rank ${differing} ended step ${chief?.step} with other weights than rank 0: it ran another program, or its memory is faulty`;
    return abort(quorum, { class: 'unknown', blamedRank: differing, message });
  }
  return {
    quorum: { phase: 'dismissed', seats: quorum.seats },
    effects: [{ kind: 'broadcast', message: { kind: 'dismissed' } }],
  };
}

/** Before training there is nothing to finish: the attempt ends at once. Later all ranks end after the same step. */
function stopRequest(quorum: Quorum, rank: number, afterStep: number): Transition {
  if (isOver(quorum)) return same(quorum);
  if (quorum.phase !== 'training') {
    const message = `rank ${rank} was asked to end before training began`;
    return abort(quorum, { class: 'terminated', blamedRank: rank, message });
  }
  if (quorum.stop !== undefined) return same(quorum);
  const stop = { afterStep, requestedBy: rank };
  return { quorum: { ...quorum, stop }, effects: [{ kind: 'broadcast', message: { kind: 'stop', stop } }] };
}

function tick(group: Group, quorum: Quorum, nowMs: number): Transition {
  if (isOver(quorum)) return same(quorum);
  const silent = [...quorum.seats].find(([rank, seat]) => rank !== 0 && nowMs - seat.heardMs > group.deadMs);
  if (silent !== undefined) {
    const message = `rank ${silent[0]} was silent for more than ${group.deadMs / 1000} s`;
    return abort(quorum, { class: 'peerLost', blamedRank: silent[0], message });
  }
  const missing = nowMs > group.startByMs ? missingRanks(group, quorum) : undefined;
  const first = missing?.ranks[0];
  if (missing === undefined || first === undefined) return same(quorum);
  const who = `${missing.ranks.length === 1 ? 'rank' : 'ranks'} ${missing.ranks.join(', ')}`;
  const message = `${who} had not ${missing.what} after ${group.startupMs / 1000} s (limits.startupSeconds)`;
  return abort(quorum, { class: 'peerLost', blamedRank: first, message });
}

function slept(group: Group, quorum: Quorum, ms: number, nowMs: number): Transition {
  if (isOver(quorum)) return same(quorum);
  if (ms > group.deadMs && group.worldSize > 1 && quorum.phase !== 'gathering') {
    const message = `rank 0 did not run for ${(ms / 1000).toFixed(1)} s, so the other ranks have given it up`;
    return abort(quorum, { class: 'fenced', blamedRank: 0, message });
  }
  const seats = new Map([...quorum.seats].map(([rank, seat]) => [rank, { ...seat, heardMs: nowMs }]));
  return same({ ...quorum, seats });
}

function missingRanks(group: Group, quorum: Quorum): { ranks: number[]; what: string } | undefined {
  const without = (known: ReadonlyMap<number, unknown>) => ranks(group).filter((r) => !known.has(r));
  switch (quorum.phase) {
    case 'gathering':
      return { ranks: without(quorum.seats), what: 'joined' };
    case 'calibrating':
      return { ranks: without(quorum.constants), what: 'measured its links' };
    case 'preparing':
      return { ranks: without(quorum.ready), what: 'made its plan' };
    case 'training':
    case 'dismissed':
    case 'aborted':
      return undefined;
    default:
      return assertNever(quorum);
  }
}

function abort(quorum: Quorum, abort: Abort): Transition {
  if (isOver(quorum)) return same(quorum);
  return {
    quorum: { phase: 'aborted', seats: quorum.seats, abort },
    effects: [{ kind: 'broadcast', message: { kind: 'abort', abort } }],
  };
}

/** Dismissed or aborted: nothing changes any more. */
export function isOver(quorum: Quorum): boolean {
  return quorum.phase === 'dismissed' || quorum.phase === 'aborted';
}

const same = (quorum: Quorum): Transition => ({ quorum, effects: [] });

function heard(quorum: Quorum, rank: number, nowMs: number): Quorum {
  return withSeat(quorum, rank, { heardMs: nowMs });
}

function withSeat(quorum: Quorum, rank: number, change: Partial<Seat>): Quorum {
  const seat = quorum.seats.get(rank);
  if (seat === undefined) return quorum;
  return { ...quorum, seats: new Map(quorum.seats).set(rank, { ...seat, ...change }) };
}

/** The first word of a rank counts: a repeated message changes nothing. */
function withFirst<T>(known: ReadonlyMap<number, T>, rank: number, value: T): ReadonlyMap<number, T> {
  return known.has(rank) ? known : new Map(known).set(rank, value);
}

function ranks(group: Group): number[] {
  return Array.from({ length: group.worldSize }, (_, rank) => rank);
}

function inRankOrder<T>(group: Group, known: ReadonlyMap<number, T>): T[] {
  return ranks(group).flatMap((rank) => known.get(rank) ?? []);
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
