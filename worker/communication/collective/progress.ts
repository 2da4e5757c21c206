import type { Phase } from '../schedule/priority.ts';
import type { Chunk, Program } from './program.ts';

/** What a lane has to do next. `sum` comes before the sends of its result. */
export type Action =
  | { kind: 'send'; phase: Phase; chunk: number; to: number; step: number }
  | { kind: 'sum'; chunk: number; step: number }
  /** This lane's chunks of the bucket are complete, and nothing of it is left to send. */
  | { kind: 'done'; step: number };

/** An arrival that cannot be: why. */
export interface Refusal {
  refused: string;
}

interface Round {
  step: number;
  submitted: boolean;
  /** chunk × worldSize + source: 1 when the contribution or the result has arrived. */
  arrived: Uint8Array;
  /** Contributions still missing, by chunk. */
  missing: Uint32Array;
  /** Chunks not complete plus sends not handed over. */
  left: number;
}

/**
 * How far one bucket is on one lane. Two steps can be under way: a peer may be one ahead of this rank. A step is a number of the
 * bucket's own, counted from 0 when the exchange opens.
 */
export class Progress {
  readonly #program: Program;
  readonly #rank: number;
  readonly #worldSize: number;
  /** Chunks that this lane carries. */
  readonly #mine: readonly number[];
  readonly #carried: ReadonlySet<number>;
  readonly #work: number;
  readonly #rounds: readonly [Round, Round];

  constructor(program: Program, rank: number, worldSize: number, mine: readonly number[]) {
    this.#program = program;
    this.#rank = rank;
    this.#worldSize = worldSize;
    this.#mine = mine;
    this.#carried = new Set(mine);
    const sends = mine.map((c) => this.#chunk(c).contributeTo.length + this.#chunk(c).resultTo.length);
    this.#work = mine.length + sends.reduce((a, b) => a + b, 0);
    this.#rounds = [this.#fresh(0), this.#fresh(1)];
  }

  /** This rank's own contribution to `step` is in its outgoing slot. */
  submit(step: number): Action[] {
    const round = this.#rounds[step & 1]!;
    if (round.step !== step || round.submitted) throw new Error(`step ${step} cannot be submitted now`);
    round.submitted = true;
    const sends = this.#mine.flatMap((chunk) => {
      const { contribution: phase, contributeTo } = this.#chunk(chunk);
      return contributeTo.map((to): Action => ({ kind: 'send', phase, chunk, to, step }));
    });
    const summed = this.#mine.filter((chunk) => this.#chunk(chunk).owner === this.#rank);
    return [...sends, ...summed.flatMap((chunk) => this.#contributed(round, chunk, this.#rank))];
  }

  /** Undefined when a frame of `phase` for `chunk` from `source` is due; else why it is not. */
  refuse(phase: Phase, chunk: number, source: number, step: number): Refusal | undefined {
    const piece = this.#program.chunks[chunk];
    if (piece === undefined || !this.#carried.has(chunk)) return { refused: `no chunk ${chunk} on this lane` };
    if (phase !== (piece.owner === this.#rank ? piece.contribution : 'result'))
      return { refused: `chunk ${chunk} takes no ${phase} here` };
    if (source === this.#rank || (phase === 'result' && source !== piece.owner))
      return { refused: `chunk ${chunk} is not for rank ${source} to send` };
    const round = this.#rounds[step & 1];
    if (round?.step !== step) return { refused: `step ${step} is not under way` };
    if (phase === 'result' && !round.submitted)
      return { refused: `the sum of step ${step} came before its contribution` };
    return round.arrived[chunk * this.#worldSize + source] === 1 ? { refused: `chunk ${chunk} came twice` } : undefined;
  }

  /** A frame that {@link refuse} let pass has been put in its place. */
  arrive(phase: Phase, chunk: number, source: number, step: number): Action[] {
    const round = this.#rounds[step & 1]!;
    if (phase !== 'result') return this.#contributed(round, chunk, source);
    round.arrived[chunk * this.#worldSize + source] = 1;
    return this.#finish(round);
  }

  /** A send of `step` has been handed to the transport: its bytes may change. */
  sent(step: number): Action[] {
    return this.#finish(this.#rounds[step & 1]!);
  }

  /** The ranks that `step` waits for on this lane; those whose contribution is missing here before those who owe a sum. */
  waitingFor(step: number): number[] {
    const round = this.#rounds[step & 1]!;
    if (round.step !== step) return [];
    const owing = (chunks: readonly number[], sources: (chunk: number) => readonly number[]) => [
      ...new Set(chunks.flatMap((c) => sources(c).filter((s) => round.arrived[c * this.#worldSize + s] === 0))),
    ];
    const everyone = Array.from({ length: this.#worldSize }, (_, rank) => rank);
    const summed = this.#mine.filter((chunk) => this.#chunk(chunk).owner === this.#rank);
    const direct = owing(summed, () => everyone);
    const taken = this.#mine.filter((chunk) => this.#chunk(chunk).owner !== this.#rank);
    return direct.length > 0 ? direct : owing(taken, (chunk) => [this.#chunk(chunk).owner]);
  }

  #contributed(round: Round, chunk: number, source: number): Action[] {
    round.arrived[chunk * this.#worldSize + source] = 1;
    round.missing[chunk]! -= 1;
    if (round.missing[chunk] !== 0) return [];
    const { step } = round;
    const sends = this.#chunk(chunk).resultTo.map((to): Action => ({ kind: 'send', phase: 'result', chunk, to, step }));
    return [{ kind: 'sum', chunk, step }, ...sends, ...this.#finish(round)];
  }

  #finish(round: Round): Action[] {
    round.left -= 1;
    if (round.left > 0) return [];
    const { step } = round;
    Object.assign(round, this.#fresh(step + 2));
    return [{ kind: 'done', step }];
  }

  #fresh(step: number): Round {
    const chunks = this.#program.chunks.length;
    return {
      step,
      submitted: false,
      arrived: new Uint8Array(chunks * this.#worldSize),
      missing: new Uint32Array(chunks).fill(this.#worldSize),
      left: this.#work,
    };
  }

  #chunk(index: number): Chunk {
    return this.#program.chunks[index]!;
  }
}
