import assert from 'node:assert/strict';
import { maxPayloadBytes } from './frame.ts';
import { listenGrpc } from './grpc.ts';
import { createMemoryTransports } from './memory.ts';
import type { Transport, TransportListener } from './transport.ts';

type Heard = { kind: 'frame' | 'request' | 'left' | 'lost'; from: number; bytes?: Buffer };

/** Keeps what it hears; `until` resolves when `count` things of a kind have been heard. */
class Ear implements TransportListener {
  readonly heard: Heard[] = [];
  #changed: () => void = () => {};
  frame = (from: number, bytes: Buffer) => this.#hear({ kind: 'frame', from, bytes });
  request = (from: number, bytes: Buffer) => this.#hear({ kind: 'request', from, bytes });
  left = (from: number) => this.#hear({ kind: 'left', from });
  lost = (from: number) => this.#hear({ kind: 'lost', from });

  of(kind: Heard['kind']): Heard[] {
    return this.heard.filter((h) => h.kind === kind);
  }

  async until(kind: Heard['kind'], count: number): Promise<Heard[]> {
    while (this.of(kind).length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed = resolve;
      await promise;
    }
    return this.of(kind);
  }

  #hear(heard: Heard): void {
    this.heard.push(heard);
    this.#changed();
  }
}

const kinds: Record<string, (worldSize: number) => Promise<Transport[]>> = {
  memory: (worldSize) => Promise.resolve(createMemoryTransports(worldSize, (deliver) => setImmediate(deliver))),
  grpc: (worldSize) =>
    Promise.all(
      Array.from({ length: worldSize }, (_, rank) =>
        listenGrpc({ host: '127.0.0.1', port: 0, rank, worldSize, fence: 7n }),
      ),
    ),
};

for (const [name, create] of Object.entries(kinds)) {
  describe(`${name}: transport contract`, () => {
    let transports: Transport[];
    let ears: Ear[];

    beforeEach(async () => {
      transports = await create(3);
      ears = transports.map(() => new Ear());
      const peers = transports.map(({ port }) => ({ host: '127.0.0.1', port }));
      await Promise.all(transports.map((transport, rank) => transport.connect(peers, 10_000, ears[rank]!)));
    });

    afterEach(() => Promise.all(transports.map((transport) => transport.close(100))));

    it('brings frames to the rank they are for, unchanged and in order', async () => {
      const sent = Array.from({ length: 50 }, (_, i) => Buffer.alloc(1 + i * 997, i));
      for (const frame of sent) transports[0]!.send(2, frame, () => {});
      const frames = await ears[2]!.until('frame', sent.length);
      assert.deepEqual(
        frames.map((f) => f.bytes),
        sent,
      );
      assert.ok(frames.every((f) => f.from === 0));
      assert.equal(ears[1]!.heard.length, 0);
    });

    it('carries the largest frame, both ways at once', async () => {
      const large = [1, 2].map((fill) => Buffer.alloc(maxPayloadBytes + 43, fill));
      transports[0]!.send(1, large[0]!, () => {});
      transports[1]!.send(0, large[1]!, () => {});
      assert.deepEqual((await ears[1]!.until('frame', 1))[0]!.bytes, large[0]);
      assert.deepEqual((await ears[0]!.until('frame', 1))[0]!.bytes, large[1]);
    });

    it('says when the bytes of a frame may be used again', async () => {
      const frame = Buffer.alloc(50_000, 1);
      for (let i = 1; i <= 20; i++) {
        frame.fill(i);
        const { promise, resolve } = Promise.withResolvers<void>();
        transports[0]!.send(1, frame, resolve);
        await promise;
      }
      const frames = await ears[1]!.until('frame', 20);
      assert.deepEqual(
        frames.map(({ bytes }) => [...new Set(bytes)]),
        Array.from({ length: 20 }, (_, i) => [i + 1]),
      );
    });

    it('brings requests against the stream of frames', async () => {
      transports[1]!.request(0, Buffer.from('more'));
      assert.deepEqual(await ears[0]!.until('request', 1), [{ kind: 'request', from: 1, bytes: Buffer.from('more') }]);
    });

    it('delivers what was sent before it closed, and then tells the peers', async () => {
      for (let i = 0; i < 5; i++) transports[0]!.send(1, Buffer.alloc(100_000, i), () => {});
      await transports[0]!.close(5000);
      await ears[1]!.until('left', 1);
      assert.equal(ears[1]!.of('frame').length, 5);
      assert.deepEqual(ears[1]!.heard.at(-1), { kind: 'left', from: 0 });
      assert.deepEqual(ears[1]!.of('lost'), []);
    });
  });
}

describe('grpc transport', () => {
  it('names the port that another program uses', async () => {
    const first = await listenGrpc({ host: '127.0.0.1', port: 0, rank: 0, worldSize: 1, fence: 7n });
    const second = listenGrpc({ host: '127.0.0.1', port: first.port, rank: 0, worldSize: 1, fence: 7n });
    await assert.rejects(second, {
      code: 'portInUse',
      message: new RegExp(`127.0.0.1:${first.port} .*another program uses it`),
    });
    await first.close(100);
  });

  it('names the rank that nobody answers for', async () => {
    const gone = await listenGrpc({ host: '127.0.0.1', port: 0, rank: 1, worldSize: 2, fence: 7n });
    await gone.close(100);
    const alone = await listenGrpc({ host: '127.0.0.1', port: 0, rank: 0, worldSize: 2, fence: 7n });
    const peers = [alone, gone].map(({ port }) => ({ host: '127.0.0.1', port }));
    await assert.rejects(alone.connect(peers, 300, new Ear()), {
      code: 'peerLost',
      blamedRank: 1,
      message: /rank 1 could not be reached within 0.3 s/,
    });
    await alone.close(100);
  });

  it('refuses a rank of another attempt', async () => {
    const ranks = await Promise.all(
      [7n, 8n].map((fence, rank) => listenGrpc({ host: '127.0.0.1', port: 0, rank, worldSize: 2, fence })),
    );
    const peers = ranks.map(({ port }) => ({ host: '127.0.0.1', port }));
    await assert.rejects(ranks[0]!.connect(peers, 300, new Ear()), {
      code: 'peerLost',
      blamedRank: 1,
      message: /another attempt/,
    });
    await Promise.all(ranks.map((transport) => transport.close(100)));
  });
});
