import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromRank, RankOptions, ToRank } from './rank-messages.ts';

type Answer<K extends FromRank['kind']> = Extract<FromRank, { kind: K }>;

/** What a rank said of its failure. */
export class RankError extends Error {
  override readonly name = 'RankError';
  readonly code: string;
  constructor({ rank, worldSize }: RankOptions, { code, message }: Answer<'failed'>) {
    super(`rank ${rank} of ${worldSize}: ${message}`);
    this.code = code;
  }
}

/** A process that runs a rank. */
export class RankProcess {
  readonly #options: RankOptions;
  readonly child: ChildProcess;
  readonly #inbox: FromRank[] = [];
  #arrived: () => void = () => {};

  /** @param script a module that calls runRank of rank-main.ts */
  constructor(script: URL, options: RankOptions, env: NodeJS.ProcessEnv) {
    this.#options = options;
    this.child = fork(script, [JSON.stringify(options)], { env });
    this.child.on('message', (message: FromRank) => {
      this.#inbox.push(message);
      this.#arrived();
    });
    this.child.on('exit', () => this.#arrived());
  }

  tell(order: ToRank): void {
    this.child.send(order);
  }

  /** The next message, which has to be a `kind`. Rejects when it is another or the process has ended; RankError for `failed`. */
  async hear<K extends FromRank['kind']>(kind: K): Promise<Answer<K>> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message?.kind === kind) return message as Answer<K>;
      if (message?.kind === 'failed') throw new RankError(this.#options, message);
      if (message !== undefined) throw new Error(`expected ${kind}, got ${JSON.stringify(message)}`);
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`rank ${this.#options.rank} ended, expected ${kind}`);
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
  /** The module that is a rank; one of an exchange alone where none is given. */
  script?: URL;
  /** Environment of a rank's process. */
  envOf?: (rank: number) => NodeJS.ProcessEnv;
}

/** Starts `world` ranks on loopback addresses of their own and connects them. */
export async function startRanks(options: GroupOptions): Promise<RankProcess[]> {
  const { world, lanes, timeoutMs = 30_000, envOf = () => process.env } = options;
  const script = options.script ?? new URL('./allreduce-rank.ts', import.meta.url);
  const fence = { jobUid: `allreduce-${process.pid}`, attempt: 1, incarnation: String(performance.timeOrigin) };
  const hosts = Array.from({ length: world }, (_, rank) => `127.0.0.${rank + 1}`);
  const ranks = hosts.map(
    (host, rank) =>
      new RankProcess(
        script,
        { host, port: 0, lanes, rank, worldSize: world, fence, timeoutMs, connectTimeoutMs: 20_000 },
        envOf(rank),
      ),
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
