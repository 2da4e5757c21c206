import type { Engine } from '../../worker/engine/engine.ts';
import type { Graph } from '../../worker/graph/graph.ts';
import { describeEvent } from '../../worker/memory/explain.ts';

/** Time of one kind of call, or of one node of the graph. */
export interface Share {
  name: string;
  callsPerStep: number;
  /** Of the device, a step. */
  milliseconds: number;
}

/** What the device did in a step, mean of `steps`. */
export interface Profile {
  steps: number;
  /** From the first call of a step to the last; between calls a device waits for the host, or nothing is asked of it. */
  stepMilliseconds: number;
  betweenCallsMilliseconds: number;
  /** By kernel, longest first; transfers and updates are kinds of their own. */
  kernels: readonly Share[];
  /** The nodes that took longest. */
  longest: readonly Share[];
}

interface Call {
  name: string;
  node: number | undefined;
  /** Marks before and after. */
  from: number;
  to: number;
}

const longestNamed = 10;

/**
 * Puts a mark before and after everything that is asked of an engine while it records. A kernel counts from where the
 * device may begin it to its end: where the device is faster than the host, that includes waiting for the host.
 */
export class Profiler {
  /** The engine to train on. */
  readonly engine: Engine;
  readonly #real: Engine;
  readonly #calls: Call[] = [];
  #isRecording = false;

  constructor(real: Engine) {
    this.#real = real;
    const own: Partial<Engine> = {
      run: (node, inputs) => this.#marked(node.kernel, () => real.run(node, inputs), node.id),
      upload: (...given) => this.#marked('upload', () => real.upload(...given)),
      uniform: (...given) => this.#marked('uniform', () => real.uniform(...given)),
      send: (...given) => this.#marked('send', () => real.send(...given)),
      sendAll: (...given) => this.#marked('send', () => real.sendAll(...given)),
      read: (handle) => this.#marked('read', () => real.read(handle)),
      update: (...given) => this.#marked(`update by ${given[4].kind}`, () => real.update(...given)),
      average: (...given) => this.#marked('average', () => real.average(...given)),
    };
    this.engine = new Proxy(real, {
      get: (target, name) => {
        const value: unknown = Reflect.get(name in own ? own : target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** Between two steps. */
  start(): void {
    this.#isRecording = true;
  }

  /** Between two steps; {@link result} is for later, since it waits for the device. */
  stop(): void {
    this.#isRecording = false;
  }

  /** Of all steps recorded. Throws RangeError when there are none. */
  result(graph: Graph): Profile {
    const nodes = this.#shares(({ node }) => node);
    const steps = Math.max(0, ...[...nodes.values()].map(({ calls }) => calls));
    const [first, last] = [this.#calls[0], this.#calls.at(-1)];
    if (steps === 0 || first === undefined || last === undefined) throw new RangeError('no step was recorded');
    const list = (shares: ReadonlyMap<unknown, Total>) =>
      [...shares.values()]
        .map(({ name, calls, milliseconds }): Share => {
          return { name, callsPerStep: calls / steps, milliseconds: milliseconds / steps };
        })
        .toSorted((a, b) => b.milliseconds - a.milliseconds);
    const kernels = list(this.#shares(({ name }) => name));
    const stepMilliseconds = this.#real.between(first.from, last.to) / steps;
    for (const [node, total] of nodes) total.name = describeEvent(graph, { kind: 'run', node: node as number });
    const longest = list(nodes).slice(0, longestNamed);
    this.#real.clearMarks();
    return {
      steps,
      stepMilliseconds,
      betweenCallsMilliseconds: kernels.reduce((rest, { milliseconds }) => rest - milliseconds, stepMilliseconds),
      kernels,
      longest,
    };
  }

  #marked<T>(name: string, body: () => T, node?: number): T {
    if (!this.#isRecording) return body();
    const from = this.#real.mark();
    const made = body();
    this.#calls.push({ name, node, from, to: this.#real.mark() });
    return made;
  }

  /** Sums over the calls of which `key` says something. */
  #shares(key: (call: Call) => string | number | undefined): Map<string | number, Total> {
    const totals = new Map<string | number, Total>();
    for (const call of this.#calls) {
      const of = key(call);
      if (of === undefined) continue;
      const total = totals.get(of) ?? { name: call.name, calls: 0, milliseconds: 0 };
      total.calls += 1;
      total.milliseconds += this.#real.between(call.from, call.to);
      totals.set(of, total);
    }
    return totals;
  }
}

interface Total {
  name: string;
  calls: number;
  milliseconds: number;
}

/** A profile for people. */
export function profileLines(profile: Profile): string[] {
  const { steps, stepMilliseconds, betweenCallsMilliseconds, kernels, longest } = profile;
  const between = { name: 'between calls', milliseconds: betweenCallsMilliseconds };
  const width = Math.max(...[...kernels, ...longest, between].map(({ name }) => name.length));
  const row = ({ name, milliseconds }: Omit<Share, 'callsPerStep'>, calls: string) => {
    const percent = ((100 * milliseconds) / stepMilliseconds).toFixed(1);
    return `    ${name.padEnd(width)} ${calls.padStart(8)} ${milliseconds.toFixed(3).padStart(11)} ms ${percent.padStart(5)} %`;
  };
  return [
    `  profile  of ${steps} further steps, ${stepMilliseconds.toPrecision(4)} ms a step with a mark around every call`,
    ...kernels.map((share) => row(share, `× ${Number(share.callsPerStep.toFixed(1))}`)),
    row(between, ''),
    '  longest',
    ...longest.map((share) => row(share, '')),
  ];
}
