import { type Graph, rootOf, type Value } from '../graph/graph.ts';
import { bytesPerElement, elementsOf } from './device.ts';
import type { Engine, Expected, Handle, SentPart, Sum, Transfer } from './engine.ts';

/** Memory as whoever asks for it counts it, before the device has come to that. */
interface Buffer {
  bytes: number;
  references: number;
}

/** A handle that was given out before there is a tensor. */
interface Promised extends Handle {
  readonly buffer: Buffer;
  readonly ref: { tensor?: Handle };
}

interface Task {
  isReady: () => boolean;
  happen: () => void;
}

interface Coming {
  place: Promised;
  first: number;
  elements: number;
  isVacant: boolean;
  isSettled: boolean;
  from?: Float32Array;
}

const lanes = 3;
/** A device's queue holds no more, and whoever asks for more is held up. */
const mostTasks = 600;

/**
 * For tests: an engine with a device that does what it is asked for later, in order, as GPUs do, and that waits by itself for
 * what is to be brought. `random` (0 to 1) decides how far it comes while it is asked for something else. Copies happen
 * as late as they may. Whoever would wait for ever, for a device that waits for him, is told so by an error.
 */
export class Lagging {
  /** How often the device has stood still for numbers that nobody had brought. */
  waits = 0;
  readonly engine: Engine;
  readonly #real: Engine;
  readonly #graph: () => Graph;
  readonly #random: () => number;
  readonly #queue: Task[] = [];
  readonly #leaving: { transfer: Transfer; tensors: readonly Promised[]; copy: () => void }[][] = [[], [], []];
  readonly #arrived = new Set<Transfer>([0]);
  readonly #coming = new Map<Expected, Coming>();
  #told = 0;
  #live = 0;
  #peak = 0;

  constructor(real: Engine, graph: () => Graph, random: () => number) {
    this.#real = real;
    this.#graph = graph;
    this.#random = random;
    this.engine = Object.assign(Object.create(real) as Engine, this.#changed());
  }

  #changed(): Partial<Engine> {
    const real = this.#real;
    const tensor = (handle: Handle) => (handle as Promised).ref.tensor as Handle;
    const sumOf = (sum: Sum): (() => Sum) => {
      if (sum instanceof Float32Array) return () => sum;
      return 'handle' in sum ? () => ({ ...sum, handle: tensor(sum.handle) }) : () => tensor(sum);
    };
    return {
      fetches: true,
      lanes,
      upload: (data, shape, dtype) => {
        const copy = data.slice();
        return this.#make({ shape, dtype }, () => real.upload(copy, shape, dtype));
      },
      uniform: (shape, uniform) => this.#make({ shape, dtype: 'float32' }, () => real.uniform(shape, uniform)),
      room: (elements) => this.#make({ shape: [elements], dtype: 'float32' }, () => real.room(elements)),
      run: (node, inputs) => {
        const given = Object.values(inputs).flat();
        const outputs = node.outputs.map((id) => {
          const value = this.#graph().values[id] as Value;
          const isAlias = rootOf(this.#graph(), id) !== id;
          return this.#promise(value, isAlias ? (given[0] as Promised).buffer : undefined);
        });
        this.#ask(() => {
          const there = Object.entries(inputs).map(([name, input]) => {
            return [name, Array.isArray(input) ? input.map(tensor) : tensor(input as Handle)] as const;
          });
          real.run(node, Object.fromEntries(there)).forEach((made, at) => {
            (outputs[at] as Promised).ref.tensor = made;
          });
        });
        return outputs;
      },
      free: (handle) => {
        const { buffer } = handle as Promised;
        buffer.references -= 1;
        if (buffer.references === 0) this.#live -= buffer.bytes;
        this.#ask(() => {
          for (let lane = 0; lane < lanes; lane++) {
            while (this.#leaving[lane]?.some(({ tensors }) => tensors.includes(handle as Promised)))
              this.#deliver(lane);
          }
          real.free(tensor(handle));
        });
      },
      read: (handle) => {
        this.finish();
        return real.read(tensor(handle));
      },
      send: (handle, target, first = 0) => {
        return this.#send([{ handle, first, offset: 0, length: target.length }], target)[0] ?? 0;
      },
      sendAll: (parts, target) => this.#send(parts, target),
      arrived: (transfer) => {
        this.#proceed();
        return this.#arrived.has(transfer);
      },
      wait: (transfer) => {
        while (!this.#arrived.has(transfer)) {
          const delivered = [0, 1, 2].map((lane) => this.#deliver(lane));
          if (!this.#next() && !delivered.includes(true)) throw new Error('waited for what cannot arrive');
        }
      },
      unpin: () => this.finish(),
      expect: (place, first, elements, isVacant) => {
        const coming: Coming = { place: place as Promised, first, elements, isVacant, isSettled: false };
        this.#told += 1;
        this.#coming.set(this.#told, coming);
        if (!isVacant) this.#ask(() => void (coming.isVacant = true));
        return this.#told;
      },
      bring: (expected, from) => {
        const coming = this.#coming.get(expected);
        if (coming === undefined || coming.from !== undefined) throw new Error('brought what was not expected');
        if (from.length !== coming.elements) throw new Error('brought as much as was not expected');
        this.#proceed();
        if (!coming.isVacant) return false;
        coming.from = from;
        if (coming.isSettled) this.#coming.delete(expected);
        return true;
      },
      settle: (expected) => {
        const coming = this.#coming.get(expected);
        if (coming === undefined || coming.isSettled) throw new Error('settled what was not expected');
        coming.isSettled = true;
        if (coming.from === undefined) this.waits += 1;
        else this.#coming.delete(expected);
        const take = () => {
          const own = real.expect(tensor(coming.place), coming.first, coming.elements, true);
          real.bring(own, coming.from as Float32Array);
          real.settle(own);
        };
        this.#ask(take, () => coming.from !== undefined);
        return true;
      },
      stalledSeconds: () => 0,
      update: (variable, slots, sum, ...rest) => {
        const given = sumOf(sum);
        this.#ask(() => void real.update(tensor(variable), slots.map(tensor), given(), ...rest));
        return true;
      },
      average: (variable, sum, ...rest) => {
        const given = sumOf(sum);
        this.#ask(() => void real.average(tensor(variable), given(), ...rest));
        return true;
      },
      failedUpdate: () => undefined,
      placeOf: () => undefined,
      liveBytes: () => this.#live,
      peakBytes: () => this.#peak,
      resetPeak: () => void (this.#peak = this.#live),
    };
  }

  #promise({ shape, dtype }: Pick<Handle, 'shape' | 'dtype'>, shared?: Buffer): Promised {
    const buffer = shared ?? { bytes: elementsOf(shape) * bytesPerElement(dtype), references: 0 };
    if (buffer.references === 0) this.#live += buffer.bytes;
    buffer.references += 1;
    this.#peak = Math.max(this.#peak, this.#live);
    return { buffer, shape, dtype, ref: {} };
  }

  #make(of: Pick<Handle, 'shape' | 'dtype'>, make: () => Handle): Promised {
    const promised = this.#promise(of);
    this.#ask(() => void (promised.ref.tensor = make()));
    return promised;
  }

  #send(parts: readonly SentPart[], target: Float32Array): Transfer[] {
    return [0, 1, 2].flatMap((lane) => {
      const own = parts.filter(({ length }) => length > 0 && length % lanes === lane);
      if (own.length === 0) return [];
      this.#told += 1;
      const transfer = this.#told * lanes + lane;
      const copy = () => {
        for (const { handle, first, offset, length } of own) {
          const there = (handle as Promised).ref.tensor as Handle;
          this.#real.send(there, target.subarray(offset, offset + length), first);
        }
      };
      const tensors = own.map(({ handle }) => handle as Promised);
      this.#ask(() => void this.#leaving[lane]?.push({ transfer, tensors, copy }));
      return [transfer];
    });
  }

  #ask(happen: () => void, isReady = () => true): void {
    const isWaiting = this.#queue[0]?.isReady() === false;
    if (isWaiting && this.#queue.length >= mostTasks) throw new Error('held up by a device that waits');
    this.#queue.push({ isReady, happen });
    this.#proceed();
  }

  /** Some of it, or nothing. */
  #proceed(): void {
    for (let tasks = Math.floor(this.#random() * 4); tasks > 0 && this.#next(); tasks--);
    for (let lane = 0; lane < lanes; lane++) if (this.#random() < 0.3) this.#deliver(lane);
  }

  /** Does one thing; false where there is none or it waits. */
  #next(): boolean {
    if (this.#queue[0]?.isReady() !== true) return false;
    this.#queue.shift()?.happen();
    return true;
  }

  #deliver(lane: number): boolean {
    const sent = this.#leaving[lane]?.shift();
    if (sent === undefined) return false;
    sent.copy();
    this.#arrived.add(sent.transfer);
    return true;
  }

  /** All that it was asked for. */
  finish(): void {
    while (this.#next());
    if (this.#queue.length > 0) throw new Error('waited for a device that waits');
    for (let lane = 0; lane < lanes; lane++) while (this.#deliver(lane));
  }
}
