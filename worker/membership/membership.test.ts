import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { createConnection, createServer } from 'node:net';
import type { LinkConstants } from '../communication/schedule/types.ts';
import { Coordinator, type CoordinatorOptions } from './coordinator.ts';
import { grpcLink, localLink } from './dial.ts';
import { Member, type MemberOptions, MembershipError } from './member.ts';
import type { Hello, Ready, Stop } from './message.ts';
import { protocolVersion } from './quorum.ts';

const host = '127.0.7.1';
const constants: LinkConstants = {
  alphaSeconds: 1e-4,
  betaSecondsPerByte: 1e-9,
  gammaSecondsPerByte: 1e-10,
  overheadSeconds: 1e-5,
};
const ready: Ready = { plan: [{ name: 'the memory plan', digest: 'aa' }], step: 3, stateDigest: 'dd' };
const clock = () => performance.now();

interface Setting {
  attempt?: number;
  worldSize?: number;
  startupMs?: number;
  deadMs?: number;
}

describe('membership over gRPC', () => {
  const opened: { close: () => Promise<void> | void }[] = [];
  afterEach(async () => {
    for (const { close } of opened.splice(0)) await close();
  });

  async function listen({ attempt = 2, worldSize = 3, startupMs = 5000, deadMs = 2000 }: Setting = {}, port = 0) {
    const options: CoordinatorOptions = {
      group: {
        jobUid: 'job-a',
        attempt,
        worldSize,
        startByMs: clock() + startupMs,
        startupMs,
        deadMs,
        mergeConstants: (all) => ({ ...constants, alphaSeconds: Math.max(...all.map((c) => c.alphaSeconds)) }),
      },
      host,
      port,
      heartbeatMs: 50,
      helloMs: 300,
      clock,
      stopStep: () => 12,
    };
    const coordinator = await Coordinator.listen(options);
    opened.push({ close: () => coordinator.close(0) });
    return { coordinator };
  }

  function member(coordinator: Coordinator, rank: number, changes: Partial<Hello & MemberOptions> = {}) {
    const { worldSize = 3, attempt = 2, jobUid = 'job-a', lanePorts = [7000 + rank], ...rest } = changes;
    const ends: MembershipError[] = [];
    const stops: Stop[] = [];
    const joined = new Member({
      hello: {
        jobUid,
        attempt,
        incarnation: `i${rank}`,
        protocolVersion: changes.protocolVersion ?? protocolVersion,
        rank,
        worldSize,
        lanePorts,
      },
      reach: () =>
        Promise.resolve((owner) =>
          rank === 0 ? localLink(coordinator, owner) : grpcLink(`${host}:${coordinator.port}`, owner),
        ),
      rank0: `${host}:${coordinator.port}`,
      startupMs: 5000,
      patienceMs: 300,
      retryMs: 20,
      heartbeatMs: 50,
      deadMs: 2000,
      clock,
      step: () => 0,
      onStop: (stop) => stops.push(stop),
      onEnd: (error) => ends.push(error),
      ...rest,
    });
    opened.push({ close: () => void joined.abort({ class: 'terminated', blamedRank: rank, message: 'test' }, 0) });
    return { member: joined, ends, stops };
  }

  const group = (coordinator: Coordinator, size = 3) =>
    Array.from({ length: size }, (_, rank) => member(coordinator, rank, { worldSize: size }));

  async function start(members: ReturnType<typeof group>) {
    const tables = await Promise.all(members.map((m) => m.member.join()));
    const agreed = await Promise.all(
      members.map((m, rank) => m.member.agree({ ...constants, alphaSeconds: rank + 1 })),
    );
    const starts = await Promise.all(members.map((m) => m.member.ready(ready)));
    return { tables, agreed, starts };
  }

  const rejection = async (promise: Promise<unknown>): Promise<MembershipError> => {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof MembershipError, String(error));
    return error;
  };

  it('takes a group from hello to dismissal and gives every rank the same answers', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    const { tables, agreed, starts } = await start(members);
    for (const table of tables) assert.deepEqual(table, [[7000], [7001], [7002]]);
    for (const c of agreed) assert.deepEqual(c, { ...constants, alphaSeconds: 3 });
    for (const s of starts) assert.deepEqual(s, { step: 3, stateDigest: 'dd', fetching: [] });
    await Promise.all(members.map((m) => m.member.done({ step: 5, weightsDigest: 'w' })));
    assert.deepEqual(
      members.flatMap((m) => m.ends),
      [],
    );
  });

  it('never calls it a success when a rank ends with other weights', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await start(members);
    const errors = await Promise.all(
      members.map((m, r) => rejection(m.member.done({ step: 5, weightsDigest: r === 2 ? 'x' : 'w' }))),
    );
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['peerLost', 'peerLost', 'unknown'],
    );
    for (const { message } of errors) assert.match(message, /rank 2 ended step 5 with other weights than rank 0/);
  });

  it('keeps a rank that is done until the others are', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await start(members);
    let dismissed = false;
    const first = members[1]!.member.done({ step: 5, weightsDigest: 'w' }).then(() => {
      dismissed = true;
    });
    await members[2]!.member.fetchState(1).catch(() => {});
    assert.equal(dismissed, false);
    await Promise.all([first, ...[0, 2].map((r) => members[r]!.member.done({ step: 5, weightsDigest: 'w' }))]);
    assert.equal(dismissed, true);
  });

  it('tells all survivors which rank is gone when its connection breaks', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await start(members);
    const waiting = [0, 1].map((r) => rejection(members[r]!.member.done({ step: 5, weightsDigest: 'w' })));
    await members[2]!.member.abort({ class: 'peerLost', blamedRank: 2, message: 'gone' }, 0);
    for (const error of await Promise.all(waiting)) {
      assert.equal(error.code, 'peerLost');
      assert.equal(error.blamedRank, 2);
    }
  });

  it('lets the first cause win: its rank keeps its class, the others lost a peer', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await start(members);
    const [a, b] = await Promise.all([
      members[1]!.member.abort({ class: 'program', blamedRank: 1, message: 'boom' }, 1000),
      members[2]!.member.abort({ class: 'peerLost', blamedRank: 0, message: 'lost rank 0' }, 1000),
    ]);
    const zero = members[0]!.ends[0];
    const culprit = zero?.blamedRank;
    assert.ok(culprit === 1 || culprit === 0, String(culprit));
    assert.equal(b.code, 'peerLost');
    assert.equal(b.blamedRank, culprit);
    assert.equal(a.code, culprit === 1 ? 'program' : 'peerLost');
  });

  it('names the ranks that are missing at the startup deadline', async () => {
    const { coordinator } = await listen({ startupMs: 300, worldSize: 4 });
    const members = [0, 1].map((rank) => member(coordinator, rank, { worldSize: 4 }));
    const errors = await Promise.all(members.map((m) => rejection(m.member.join())));
    for (const error of errors) {
      assert.match(error.message, /ranks 2, 3 had not joined after 0.3 s/);
      assert.equal(error.blamedRank, 2);
      assert.equal(error.code, 'peerLost');
    }
  });

  it('gives up on a rank 0 that nobody answers for', async () => {
    const { coordinator } = await listen();
    await coordinator.close(0);
    const error = await rejection(member(coordinator, 1, { startupMs: 200 }).member.join());
    assert.match(error.message, /rank 0 at 127\.0\.7\.1:\d+ did not answer within 0.2 s/);
  });

  it('refuses a stale attempt for good, another job after a while, and both with a reason', async () => {
    const { coordinator } = await listen();
    const stale = await rejection(member(coordinator, 1, { attempt: 1 }).member.join());
    assert.equal(stale.code, 'fenced');
    assert.match(stale.message, /attempt 1 is over: attempt 2/);
    const foreign = await rejection(member(coordinator, 1, { jobUid: 'job-b' }).member.join());
    assert.equal(foreign.code, 'fenced');
    assert.match(foreign.message, /belongs to job job-a, not to job job-b/);
  });

  it('waits for its own rank 0 while an older attempt still holds the address', async () => {
    const old = await listen();
    const { port } = old.coordinator;
    const joining = member(old.coordinator, 1, { attempt: 3, worldSize: 2, patienceMs: 3000 }).member.join();
    await rejection(member(old.coordinator, 2, { attempt: 3, patienceMs: 0 }).member.join());
    await old.coordinator.close(0);
    const { coordinator } = await listen({ attempt: 3, worldSize: 2 }, port);
    const chief = member(coordinator, 0, { attempt: 3, worldSize: 2 }).member.join();
    assert.deepEqual(await joining, [[7000], [7001]]);
    assert.deepEqual(await chief, [[7000], [7001]]);
  });

  it('refuses another protocol version and another group size as configuration errors', async () => {
    const { coordinator } = await listen();
    const version = await rejection(member(coordinator, 1, { protocolVersion: 99 }).member.join());
    assert.equal(version.code, 'configuration');
    assert.match(version.message, /version 99/);
    const size = await rejection(member(coordinator, 3, { worldSize: 4 }).member.join());
    assert.match(size.message, /rank 3 of 4 does not fit a group of 3/);
  });

  it('names the rank and the part whose plan differs', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await Promise.all(members.map((m) => m.member.join()));
    await Promise.all(members.map((m) => m.member.agree(constants)));
    const other = { ...ready, plan: [{ name: 'the memory plan', digest: 'bb' }] };
    const errors = await Promise.all(members.map((m, r) => rejection(m.member.ready(r === 2 ? other : ready))));
    assert.deepEqual(
      errors.map((e) => e.code),
      ['peerLost', 'peerLost', 'configuration'],
    );
    for (const error of errors) assert.match(error.message, /rank 2 .*the memory plan is bb against aa/);
  });

  it('gives a rank with other weights the state of rank 0', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    const pieces = [Buffer.alloc(1_300_000, 1), Buffer.alloc(10, 2)];
    coordinator.offerState(pieces);
    await Promise.all(members.map((m) => m.member.join()));
    await Promise.all(members.map((m) => m.member.agree(constants)));
    const starts = await Promise.all(
      members.map((m, r) => m.member.ready(r === 1 ? { ...ready, stateDigest: 'ee' } : ready)),
    );
    assert.deepEqual(starts[0]?.fetching, [1]);
    assert.deepEqual(await members[1]!.member.fetchState(2 << 20), Buffer.concat(pieces));
    await assert.rejects(members[1]!.member.fetchState(1000), /larger than 1000 bytes/);
  });

  it('ends all ranks after one common step when one is asked to end', async () => {
    const { coordinator } = await listen();
    const members = group(coordinator);
    await start(members);
    members[1]!.member.requestStop();
    members[2]!.member.requestStop();
    await Promise.all(members.map((m) => m.member.done({ step: 12, weightsDigest: 'w' })));
    for (const m of members) assert.deepEqual(m.stops, [{ afterStep: 12, requestedBy: m.stops[0]?.requestedBy }]);
  });

  it('names the port that another program holds', async () => {
    const squatter = createServer().listen(0, host);
    await new Promise((resolve) => squatter.once('listening', resolve));
    opened.push({ close: () => void squatter.close() });
    const { port } = squatter.address() as { port: number };
    await assert.rejects(listen({}, port), {
      code: 'portInUse',
      message: `port ${port} on ${host} is in use by another program; free it or set communication.port`,
    });
  });

  it('survives hostile bytes and silent strangers, and still gathers its group', async () => {
    const { coordinator } = await listen();
    const garbage = createConnection(coordinator.port, host, () => garbage.write(Buffer.alloc(4096, 0xa7)));
    garbage.on('error', () => {}).resume();
    await new Promise((resolve) => garbage.once('close', resolve));

    const session = connect(`http://${host}:${coordinator.port}`);
    session.on('error', () => {});
    opened.push({ close: () => session.destroy() });
    const knock = (path: string, body: Buffer) =>
      new Promise<string>((resolve) => {
        const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
        const stream = session.request(headers);
        let status = '';
        const note = (h: Record<string, unknown>) => {
          status = typeof h['grpc-status'] === 'string' ? h['grpc-status'] : status;
        };
        stream
          .on('response', note)
          .on('trailers', note)
          .on('error', () => {});
        stream.on('close', () => resolve(status)).on('end', () => stream.close());
        stream.resume();
        stream.write(body);
      });
    const framed = (payload: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, 0, payload.length]), payload]);
    const join = '/hayate.membership.v1.Control/Join';
    assert.notEqual(await knock(join, framed(Buffer.from([0x0a, 0x7f]))), '0', 'a field past the end');
    assert.notEqual(await knock(join, framed(Buffer.from([0xff, 0xff, 0xff]))), '0', 'no protobuf');
    await knock(join, Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    await knock(join, Buffer.alloc(0));
    await knock(join, framed(Buffer.from([0x22, 0x02, 0x08, 0x01])));

    await start(group(coordinator));
  });
});
