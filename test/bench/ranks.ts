import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromRank, RankOptions, ToRank } from './rank-messages.ts';

type Answer<K extends FromRank['kind']> = Extract<FromRank, { kind: K }>;

/** A process that runs allreduce-rank.ts. */
export class RankProcess {
  readonly child: ChildProcess;
  readonly #inbox: FromRank[] = [];
  #arrived: () => void = () => {};

  constructor(options: RankOptions) {
    this.child = fork(new URL('./allreduce-rank.ts', import.meta.url), [JSON.stringify(options)]);
    this.child.on('message', (message: FromRank) => {
      this.#inbox.push(message);
      this.#arrived();
    });
    this.child.on('exit', () => this.#arrived());
  }

  tell(order: ToRank): void {
    this.child.send(order);
  }

  /** The next message, which has to be a `kind`. Rejects when it is another or the process has ended. */
  async hear<K extends FromRank['kind']>(kind: K): Promise<Answer<K>> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message?.kind === kind) return message as Answer<K>;
      if (message !== undefined) throw new Error(`expected ${kind}, got ${JSON.stringify(message)}`);
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`a rank ended, expected ${kind}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#arrived = resolve;
      await promise;
    }
  }

  ask<K extends FromRank['kind']>(order: ToRank, kind: K): Promise<Answer<K>> {
    this.tell(order);
    return this.hear(kind);
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

export interface GroupOptions {
  world: number;
  lanes: number;
  timeoutMs?: number;
}

/** Starts `world` ranks on loopback addresses of their own and connects them. */
export async function startRanks({ world, lanes, timeoutMs = 30_000 }: GroupOptions): Promise<RankProcess[]> {
  const fence = { jobUid: `allreduce-${process.pid}`, attempt: 1, incarnation: String(performance.timeOrigin) };
  const hosts = Array.from({ length: world }, (_, rank) => `127.0.0.${rank + 1}`);
  const ranks = hosts.map(
    (host, rank) =>
      new RankProcess({ host, port: 0, lanes, rank, worldSize: world, fence, timeoutMs, connectTimeoutMs: 20_000 }),
  );
  try {
    const listening = await Promise.all(ranks.map((rank) => rank.hear('listening')));
    const peers = listening.map(({ ports }, rank) => ({ host: hosts[rank]!, lanePorts: ports }));
    await Promise.all(ranks.map((rank) => rank.ask({ kind: 'connect', peers }, 'connected')));
    return ranks;
  } catch (error) {
    await Promise.all(ranks.map((rank) => rank.end()));
    throw error;
  }
}
