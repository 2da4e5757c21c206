import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { LinkConstants } from '../communication/schedule/types.ts';
import type { Hello, Ready } from './message.ts';
import {
  type Effect,
  emptyQuorum,
  type Group,
  protocolVersion,
  type Quorum,
  type QuorumEvent,
  transition,
} from './quorum.ts';

const measured: LinkConstants = {
  alphaSeconds: 1,
  betaSecondsPerByte: 1,
  gammaSecondsPerByte: 1,
  overheadSeconds: 1,
};
const ready: Ready = { plan: [{ name: 'graph', digest: 'g' }], step: 0, stateDigest: 's' };

const group = (worldSize: number): Group => ({
  jobUid: 'job',
  attempt: 3,
  worldSize,
  startByMs: 10_000,
  startupMs: 10_000,
  deadMs: 2000,
  mergeConstants: ([first]) => first ?? measured,
});

const hello = (rank: number, changes: Partial<Hello> = {}): QuorumEvent => ({
  kind: 'hello',
  hello: {
    jobUid: 'job',
    attempt: 3,
    incarnation: `i${rank}`,
    protocolVersion,
    rank,
    worldSize: 4,
    lanePorts: [rank],
    ...changes,
  },
});

/** Plays events one millisecond apart. */
function play(settings: Group, events: readonly QuorumEvent[], from: Quorum = emptyQuorum, startMs = 0) {
  let quorum = from;
  const effects: Effect[] = [];
  for (const [i, event] of events.entries()) {
    const next = transition(settings, quorum, event, startMs + i);
    quorum = next.quorum;
    effects.push(...next.effects);
  }
  return { quorum, effects };
}

const said = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.kind === 'broadcast' ? [effect.message] : []));

const ranks = [0, 1, 2, 3];
const message = (rank: number, m: (QuorumEvent & { kind: 'message' })['message']): QuorumEvent => ({
  kind: 'message',
  rank,
  message: m,
});
const training = () =>
  play(group(4), [
    ...ranks.map((r) => hello(r)),
    ...ranks.map((r) => message(r, { kind: 'constants', constants: measured })),
    ...ranks.map((r) => message(r, { kind: 'ready', ready })),
  ]).quorum;

describe('transition', () => {
  it('starts training for any order of arrival within each phase, with repeats and stale hellos between', () => {
    const noise = fc.constantFrom<QuorumEvent>(
      hello(1, { attempt: 2 }),
      hello(2, { jobUid: 'other' }),
      hello(3, { attempt: 4 }),
      hello(9),
      hello(0, { protocolVersion: 0 }),
      { kind: 'tick' },
      message(2, { kind: 'heartbeat', step: 0 }),
      message(7, { kind: 'done', done: { step: 1, weightsDigest: '' } }),
    );
    const phase = (event: (rank: number) => QuorumEvent) =>
      fc
        .tuple(
          fc.shuffledSubarray(ranks, { minLength: 4 }),
          fc.array(fc.constantFrom(...ranks), { maxLength: 3 }),
          fc.array(noise, { maxLength: 4 }),
          fc.infiniteStream(fc.nat()),
        )
        .map(([order, repeats, strange, where]) => {
          const events = [...order, ...repeats].map(event);
          for (const one of strange) events.splice((where.next().value ?? 0) % (events.length + 1), 0, one);
          return events;
        });
    fc.assert(
      fc.property(
        phase((r) => hello(r)),
        phase((r) => message(r, { kind: 'constants', constants: { ...measured, alphaSeconds: r } })),
        phase((r) => message(r, { kind: 'ready', ready })),
        (hellos, constants, readies) => {
          const { quorum, effects } = play(group(4), [...hellos, ...constants, ...readies]);
          assert.equal(quorum.phase, 'training');
          assert.deepEqual(said(effects), [
            { kind: 'table', lanePorts: [[0], [1], [2], [3]] },
            { kind: 'constants', constants: { ...measured, alphaSeconds: 0 } },
            { kind: 'start', start: { step: 0, stateDigest: 's', fetching: [] } },
          ]);
        },
      ),
    );
  });

  it('refuses every hello that is not of this group, and never seats it', () => {
    fc.assert(
      fc.property(
        fc.record({
          jobUid: fc.constantFrom('job', 'other'),
          attempt: fc.integer({ min: 1, max: 5 }),
          protocolVersion: fc.constantFrom(protocolVersion, 0, 99),
          rank: fc.nat(6),
          worldSize: fc.constantFrom(4, 5),
        }),
        (changes) => {
          const { quorum, effects } = play(group(4), [hello(0, changes)]);
          const fits =
            changes.jobUid === 'job' &&
            changes.attempt === 3 &&
            changes.protocolVersion === protocolVersion &&
            changes.rank < 4 &&
            changes.worldSize === 4;
          assert.equal(quorum.seats.size, fits ? 1 : 0);
          assert.equal(effects[0]?.kind, fits ? 'welcome' : 'refuse');
        },
      ),
    );
  });

  it('never leaves an end, whatever comes after it', () => {
    const any = fc.constantFrom<QuorumEvent>(
      hello(1),
      { kind: 'tick' },
      { kind: 'lost', rank: 2, message: 'late' },
      { kind: 'slept', ms: 9000 },
      { kind: 'stopRequest', rank: 1, afterStep: 4 },
      message(3, { kind: 'abort', abort: { class: 'program', blamedRank: 3, message: 'late' } }),
      message(1, { kind: 'done', done: { step: 1, weightsDigest: '' } }),
    );
    const first = { class: 'nonFinite' as const, blamedRank: 1, message: 'NaN' };
    fc.assert(
      fc.property(fc.array(any, { maxLength: 10 }), (later) => {
        const aborted = play(group(4), [message(1, { kind: 'abort', abort: first })], training(), 20);
        const { quorum, effects } = play(group(4), later, aborted.quorum, 100_000);
        assert.deepEqual(quorum.phase === 'aborted' && quorum.abort, first);
        assert.deepEqual(said(effects), []);
      }),
    );
  });

  it('finds a silent rank after 2 s, and not one whose heartbeats come', () => {
    const beats = ranks.slice(0, 3).map((r) => message(r, { kind: 'heartbeat', step: 1 }));
    const warm = play(group(4), beats, training(), 1900).quorum;
    assert.deepEqual(play(group(4), [{ kind: 'tick' }], warm, 1990).effects, []);
    const { effects } = play(group(4), [{ kind: 'tick' }], warm, 2100);
    const [abort] = said(effects);
    assert.ok(abort?.kind === 'abort');
    assert.equal(abort.abort.blamedRank, 3);
    assert.match(abort.abort.message, /silent for more than 2 s/);
  });

  it('blames nobody for what it could not hear while it was stopped itself', () => {
    const short = play(group(4), [{ kind: 'slept', ms: 1500 }, { kind: 'tick' }], training(), 5000);
    assert.deepEqual(short.effects, []);
    const long = play(group(4), [{ kind: 'slept', ms: 5000 }], training(), 5000);
    const [abort] = said(long.effects);
    assert.ok(abort?.kind === 'abort' && abort.abort.blamedRank === 0 && abort.abort.class === 'fenced');
  });

  it('names the ranks that kept the group from starting', () => {
    const late = play(group(4), [hello(2), { kind: 'tick' }], emptyQuorum, 9_999);
    assert.deepEqual(said(late.effects), []);
    const over = play(group(4), [{ kind: 'tick' }], late.quorum, 10_001);
    assert.match(JSON.stringify(over.effects), /ranks 0, 1, 3 had not joined after 10 s/);
  });

  it('tells ranks whose weights differ from rank 0 to fetch them', () => {
    const preparing = play(group(4), [
      ...ranks.map((r) => hello(r)),
      ...ranks.map((r) => message(r, { kind: 'constants', constants: measured })),
    ]).quorum;
    const events = ranks.map((r) => message(r, { kind: 'ready', ready: { ...ready, stateDigest: r > 1 ? 'x' : 's' } }));
    const [start] = said(play(group(4), events, preparing).effects);
    assert.deepEqual(start?.kind === 'start' && start.start.fetching, [2, 3]);
  });

  it('ends at once when a rank is asked to end before training', () => {
    const { quorum } = play(group(4), [hello(0), hello(1), { kind: 'stopRequest', rank: 1, afterStep: 9 }]);
    assert.ok(quorum.phase === 'aborted' && quorum.abort.class === 'terminated' && quorum.abort.blamedRank === 1);
  });
});
