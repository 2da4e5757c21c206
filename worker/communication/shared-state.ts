import { stateBytesPerBucket, stateHeaderBytes } from './arena.ts';
import { ExchangeError, type ExchangeErrorCode } from './exchange.ts';

/** An {@link ExchangeError} as data, for other threads. */
export interface FailureRecord {
  code: ExchangeErrorCode;
  message: string;
  blamedRank?: number | undefined;
}

const claimed = 0;
const failureLength = 1;
const failureTextOffset = 8;
/** `done` of a bucket whose exchange has failed. */
const failed = -1;

/** Words of a bucket: steps submitted, steps done, and the lanes still at work on the step that is submitted. */
const wordsPerBucket = stateBytesPerBucket / 4;
const submittedWord = 0;
const doneWord = 1;
const lanesWord = 2;

/**
 * The words by which compute and lane threads tell each other how far they are. Steps of a bucket count from 1 once the exchange is open:
 * `submitted` is written by compute alone, `done` by the lane that finishes last.
 */
export class SharedState {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #buckets: number;

  constructor(memory: SharedArrayBuffer, stateOffset: number, buckets: number) {
    this.#buckets = buckets;
    this.#words = new Int32Array(memory, stateOffset, (stateHeaderBytes + buckets * stateBytesPerBucket) / 4);
    this.#bytes = new Uint8Array(memory, stateOffset + failureTextOffset, stateHeaderBytes - failureTextOffset);
  }

  /** Before any thread uses the bucket: how many lanes carry it. */
  prepare(bucket: number, lanes: number): void {
    this.#words[this.#at(bucket, lanesWord)] = lanes;
  }

  submitted(bucket: number): number {
    return Atomics.load(this.#words, this.#at(bucket, submittedWord));
  }

  /** Compute: the outgoing slot is filled; returns the number of the step. */
  submit(bucket: number): number {
    return Atomics.add(this.#words, this.#at(bucket, submittedWord), 1) + 1;
  }

  /** One lane is through with a step; true when it was the last, which wakes compute. */
  laneDone(bucket: number, step: number, lanes: number): boolean {
    const left = this.#at(bucket, lanesWord);
    if (Atomics.sub(this.#words, left, 1) !== 1) return false;
    Atomics.store(this.#words, left, lanes);
    const done = this.#at(bucket, doneWord);
    Atomics.compareExchange(this.#words, done, step, step + 1);
    Atomics.notify(this.#words, done);
    return true;
  }

  /** Whether everything submitted of `bucket` is done; false once the exchange has failed. */
  isDone(bucket: number): boolean {
    return Atomics.load(this.#words, this.#at(bucket, doneWord)) >= this.submitted(bucket);
  }

  /** Blocks until everything submitted of `bucket` is done, or the exchange fails or `timeoutMs` passes: undefined. */
  wait(bucket: number, timeoutMs: number): FailureRecord | 'done' | undefined {
    const at = this.#at(bucket, doneWord);
    const wanted = this.submitted(bucket);
    for (;;) {
      const done = Atomics.load(this.#words, at);
      if (done === failed) return this.failure();
      if (done >= wanted) return 'done';
      if (Atomics.wait(this.#words, at, done, timeoutMs) === 'timed-out') return undefined;
    }
  }

  /** Ends the exchange for every thread; the first failure stays. */
  fail(record: FailureRecord): void {
    if (Atomics.compareExchange(this.#words, claimed, 0, 1) !== 0) return;
    const { written } = new TextEncoder().encodeInto(JSON.stringify(record), this.#bytes);
    Atomics.store(this.#words, failureLength, written);
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      Atomics.store(this.#words, this.#at(bucket, doneWord), failed);
      Atomics.notify(this.#words, this.#at(bucket, doneWord));
    }
  }

  failure(): FailureRecord | undefined {
    const length = Atomics.load(this.#words, failureLength);
    if (length === 0) return undefined;
    return JSON.parse(new TextDecoder().decode(this.#bytes.slice(0, length))) as FailureRecord;
  }

  #at(bucket: number, word: number): number {
    return stateHeaderBytes / 4 + bucket * wordsPerBucket + word;
  }
}

export function toRecord(error: ExchangeError): FailureRecord {
  return { code: error.code, message: error.message.slice(0, 1000), blamedRank: error.blamedRank };
}

export function fromRecord({ code, message, blamedRank }: FailureRecord): ExchangeError {
  return new ExchangeError(code, message, { blamedRank });
}
