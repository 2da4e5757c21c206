import type { Exchange } from '../../worker/communication/exchange.ts';
import type { Engine, Expected } from '../../worker/engine/engine.ts';
import { median } from './document.ts';

/** How one bucket's bytes travelled, by the host's clock; medians over rounds. */
export interface BucketTimes {
  bucket: number;
  bytes: number;
  /** From when all of it was asked to leave the device to when it had left. */
  outMilliseconds: number;
  /** From then until its sum began to be copied to the device. */
  backMilliseconds: number;
  /** From then until the device was asked for what needs it; negative where that came first, and the device may have waited. */
  earlyMilliseconds: number;
}

interface Round {
  bucket: number;
  bytes: number;
  sentMs: number;
  leftMs?: number;
  broughtMs?: number;
  neededMs?: number;
}

/** Notes when an engine and an exchange are asked for what, while it records; `clock` says monotonic milliseconds. */
export class Timeline {
  readonly engine: Engine;
  readonly exchange: Exchange;
  readonly #clock: () => number;
  readonly #rounds: Round[] = [];
  /** The round that is under way, by bucket. */
  readonly #underway = new Map<number, Round>();
  readonly #neededMs = new Map<Expected, number>();
  readonly #settling = new Map<Expected, Round>();
  #isRecording = false;

  constructor(engine: Engine, exchange: Exchange, buckets: number, clock: () => number) {
    this.#clock = clock;
    const byMemory = new Map<Float32Array, number>();
    for (let bucket = 0; bucket < buckets; bucket++) {
      byMemory.set(exchange.outgoing(bucket), bucket);
      byMemory.set(exchange.sum(bucket), bucket);
    }
    const own: Partial<Engine> = {
      sendAll: (parts, target) => {
        const bucket = byMemory.get(target);
        if (bucket !== undefined) this.#underway.set(bucket, { bucket, bytes: target.byteLength, sentMs: clock() });
        return engine.sendAll(parts, target);
      },
      bring: (expected, from) => {
        const isThere = engine.bring(expected, from);
        const round = this.#underway.get(byMemory.get(from) ?? -1);
        if (isThere && round !== undefined) this.#brought(expected, round);
        return isThere;
      },
      settle: (expected) => {
        const isSettled = engine.settle(expected);
        if (isSettled) this.#needed(expected);
        return isSettled;
      },
    };
    this.engine = Object.assign(Object.create(engine) as Engine, own);
    this.exchange = {
      ...exchange,
      submit: (bucket) => {
        const round = this.#underway.get(bucket);
        if (round !== undefined) round.leftMs = clock();
        exchange.submit(bucket);
      },
    };
  }

  start(): void {
    this.#isRecording = true;
  }

  stop(): void {
    this.#isRecording = false;
  }

  /** By bucket; none of buckets whose sums the engine is not brought. */
  result(): BucketTimes[] {
    return [...Map.groupBy(this.#rounds, ({ bucket }) => bucket)]
      .map(([bucket, rounds]): BucketTimes => {
        const of = (time: (round: Required<Round>) => number) =>
          median(rounds.map((round) => time(round as Required<Round>)));
        return {
          bucket,
          bytes: rounds[0]?.bytes ?? 0,
          outMilliseconds: of(({ sentMs, leftMs }) => leftMs - sentMs),
          backMilliseconds: of(({ leftMs, broughtMs }) => broughtMs - leftMs),
          earlyMilliseconds: of(({ broughtMs, neededMs }) => neededMs - broughtMs),
        };
      })
      .toSorted((a, b) => a.bucket - b.bucket);
  }

  #brought(expected: Expected, round: Round): void {
    round.broughtMs = this.#clock();
    const neededMs = this.#neededMs.get(expected);
    this.#neededMs.delete(expected);
    if (neededMs === undefined) this.#settling.set(expected, round);
    else this.#end(round, neededMs);
  }

  #needed(expected: Expected): void {
    const round = this.#settling.get(expected);
    this.#settling.delete(expected);
    if (round === undefined) this.#neededMs.set(expected, this.#clock());
    else this.#end(round, this.#clock());
  }

  #end(round: Round, neededMs: number): void {
    round.neededMs = neededMs;
    if (this.#isRecording && round.leftMs !== undefined) this.#rounds.push(round);
  }
}

/** For people; one line a bucket. */
export function timelineLines(times: readonly BucketTimes[]): string[] {
  const ms = (milliseconds: number) => `${milliseconds.toFixed(2).padStart(7)} ms`;
  return [
    '  buckets  how long each took to leave, until its sum began to come back, and how early that was',
    ...times.map(({ bucket, bytes, outMilliseconds, backMilliseconds, earlyMilliseconds }) => {
      const size = `${(bytes / 2 ** 20).toFixed(2)} MiB`;
      const late = earlyMilliseconds < 0 ? ' late' : '';
      return `    ${String(bucket).padStart(4)} ${size.padStart(11)} ${ms(outMilliseconds)} ${ms(backMilliseconds)} ${ms(earlyMilliseconds)}${late}`;
    }),
  ];
}
