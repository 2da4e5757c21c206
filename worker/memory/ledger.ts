import type { Engine, Handle } from '../engine/engine.ts';
import type { Node, ValueId } from '../graph/graph.ts';
import type { Event } from './event.ts';

/** The plan and the engine disagree about the bytes that are alive. */
export interface Deviation {
  /** The first event after which they did. */
  event: Event;
  predictedBytes: number;
  measuredBytes: number;
}

/** Told of every handle that comes and goes. */
export interface Watcher {
  made(value: ValueId, handle: Handle): void;
  freed(value: ValueId): void;
}

/** Which handle holds which value, and whether the engine holds as many bytes as the plan says. */
export class Ledger {
  readonly #engine: Engine;
  readonly #handles: (Handle | undefined)[] = [];
  #watcher: Watcher | undefined;
  /** The first deviation since the start, or undefined as long as all predictions were exact. */
  deviation: Deviation | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  hold(value: ValueId, handle: Handle): void {
    this.#handles[value] = handle;
    this.#watcher?.made(value, handle);
  }

  holdAll(values: readonly ValueId[], handles: readonly Handle[]): void {
    values.forEach((value, index) => this.hold(value, handles[index] as Handle));
  }

  handleOf(value: ValueId): Handle {
    const handle = this.#handles[value];
    if (handle === undefined) throw new Error(`value ${value} is not alive: the plan is wrong`);
    return handle;
  }

  inputsOf(node: Node): Record<string, Handle | readonly Handle[]> {
    const inputs: Record<string, Handle | readonly Handle[]> = {};
    for (const name of Object.keys(node.inputs)) {
      const ids = node.inputs[name] as ValueId | readonly ValueId[];
      inputs[name] = typeof ids === 'number' ? this.handleOf(ids) : ids.map((id) => this.handleOf(id));
    }
    return inputs;
  }

  release(value: ValueId): void {
    this.#watcher?.freed(value);
    this.#engine.free(this.handleOf(value));
    this.#handles[value] = undefined;
  }

  /** From now on tells `watcher`, of what is there first of all; undefined ends that. */
  watch(watcher: Watcher | undefined): void {
    this.#watcher = watcher;
    this.#handles.forEach((handle, value) => {
      if (handle !== undefined) watcher?.made(value, handle);
    });
  }

  /** Compares the engine's bytes with the prediction for the event that has just happened. */
  compare(event: Event, predictedBytes: number): void {
    const measuredBytes = this.#engine.liveBytes();
    if (measuredBytes !== predictedBytes) this.deviation ??= { event, predictedBytes, measuredBytes };
  }
}
