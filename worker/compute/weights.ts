import type { StateTensor, TrainingState } from '../checkpoint/state.ts';
import type { Engine, Handle, OptimizerStep, Sum } from '../engine/engine.ts';
import { slotNamesOf } from '../engine/optimizer.ts';
import { fromStored, storedShape, toStored } from '../graph/format.ts';
import type { Graph, Variable } from '../graph/graph.ts';
import type { OptimizerSettings } from '../program/define.ts';
import { ConfigurationError } from '../program/program-error.ts';
import { NonFiniteError } from './non-finite.ts';

/** State at step 0: the variables' start values, and zeros for the optimizer. */
export function initialState(
  graph: Pick<Graph, 'variables'>,
  initial: readonly Float32Array[],
  optimizer: OptimizerSettings['kind'],
): TrainingState {
  const tensors = graph.variables.flatMap((variable) => {
    const data = initial[variable.index] as Float32Array;
    return tensorNames(variable, optimizer).map((name, slot): StateTensor => {
      return { name, shape: variable.shape, data: slot === 0 ? data : new Float32Array(data.length) };
    });
  });
  return { step: 0, tensors };
}

function tensorNames({ name, kind }: Variable, optimizer: OptimizerSettings['kind']): string[] {
  return kind === 'averaged' ? [name] : [name, ...slotNamesOf(optimizer).map((slot) => `${name}/${slot}`)];
}

/**
 * What training changes: variables and optimizer slots, on an engine. There they, and the sums that they are updated
 * from, lie as `stored` says; a state is always logical.
 */
export class Weights {
  readonly #engine: Engine;
  readonly #variables: readonly Variable[];
  readonly #settings: OptimizerSettings;
  readonly #scale: number;
  /** What the optimizer does in the step that is being taken in. */
  #optimizer: { of: number; step: OptimizerStep } | undefined;
  /** Per variable: its own handle, then its slots'. */
  readonly #handles: readonly (readonly Handle[])[];

  /** Uploads `state`. Throws {@link ConfigurationError} that names every tensor that does not fit the program. */
  constructor(
    engine: Engine,
    variables: readonly Variable[],
    settings: OptimizerSettings,
    worldSize: number,
    state: TrainingState,
  ) {
    const wanted = variables.map((variable) =>
      tensorNames(variable, settings.kind).map((name) => ({ name, shape: variable.shape })),
    );
    const problems = mismatches(wanted.flat(), state.tensors);
    if (problems.length > 0) throw new ConfigurationError('stateMismatch', problems);
    const given = new Map(state.tensors.map((tensor) => [tensor.name, tensor]));
    this.#engine = engine;
    this.#variables = variables;
    this.#settings = settings;
    this.#scale = 1 / worldSize;
    this.#handles = variables.map(({ shape, stored = 'plain' }, at) =>
      (wanted[at] as Named[]).map(({ name }) => {
        const data = toStored((given.get(name) as StateTensor).data, shape, stored);
        return engine.upload(data, storedShape(shape, stored), 'float32');
      }),
    );
  }

  handleOf(variable: number): Handle {
    return this.#handles[variable]?.[0] as Handle;
  }

  /**
   * Optimizer step with the sum of all ranks' gradients of `step` (from 0), or with a part of it that belongs to the
   * variable from element `first` on. Throws {@link NonFiniteError}.
   */
  update(variable: number, sum: Sum, step: number, first = 0): void {
    this.#update(variable, sum, this.#scale, step, first);
  }

  /** The mean of all ranks' values of `step` becomes the variable's; otherwise like {@link update}. */
  average(variable: number, sum: Sum, step: number, first = 0): void {
    this.#average(variable, sum, this.#scale, step, first);
  }

  /** Takes in the contribution of the only rank. Throws {@link NonFiniteError}. */
  apply(variable: number, contribution: Handle, step: number): void {
    const isTrained = this.#variables[variable]?.kind === 'trained';
    if (isTrained) this.#update(variable, contribution, 1, step, 0);
    else this.#average(variable, contribution, 1, step, 0);
  }

  /** Throws {@link NonFiniteError} for an update of `step` or before of which the engine has told only now. */
  check(step: number): void {
    const tag = this.#engine.failedUpdate();
    if (tag !== undefined) throw this.#nonFinite(tag - 1, step);
  }

  #update(variable: number, sum: Sum, scale: number, step: number, first: number): void {
    const [handle, ...slots] = this.#handles[variable] as [Handle, ...Handle[]];
    if (this.#optimizer?.of !== step) this.#optimizer = { of: step, step: stepOf(this.#settings, step) };
    const finite = this.#engine.update(handle, slots, sum, scale, this.#optimizer.step, variable + 1, first);
    if (!finite) throw this.#nonFinite(variable, step);
  }

  #average(variable: number, sum: Sum, scale: number, step: number, first: number): void {
    const finite = this.#engine.average(this.handleOf(variable), sum, scale, variable + 1, first);
    if (!finite) throw this.#nonFinite(variable, step);
  }

  #nonFinite(variable: number, step: number): NonFiniteError {
    const { kind, name } = this.#variables[variable] as Variable;
    return new NonFiniteError(step, kind === 'trained' ? `the gradient of ${name}` : name);
  }

  /** A copy on the host, after `step` steps. Throws {@link NonFiniteError} for an update of which the engine has told only now. */
  save(step: number): TrainingState {
    const tensors = this.#variables.flatMap((variable) =>
      tensorNames(variable, this.#settings.kind).map((name, slot): StateTensor => {
        const { shape, stored = 'plain' } = variable;
        const data = this.#engine.read(this.#handles[variable.index]?.[slot] as Handle) as Float32Array;
        return { name, shape, data: fromStored(data, shape, stored) };
      }),
    );
    this.check(step - 1); // the reads have waited for all updates
    return { step, tensors };
  }

  /** Releases everything on the engine. */
  free(): void {
    for (const handle of this.#handles.flat()) this.#engine.free(handle);
  }
}

function stepOf(settings: OptimizerSettings, step: number): OptimizerStep {
  switch (settings.kind) {
    case 'sgd':
      return settings;
    case 'momentum':
      return { ...settings, nesterov: settings.nesterov ?? false };
    case 'adam': {
      const { kind, learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = settings;
      return { kind, learningRate, beta1, beta2, epsilon, step: step + 1 };
    }
    default:
      throw new TypeError(`unknown optimizer ${JSON.stringify(settings satisfies never)}`);
  }
}

type Named = Pick<StateTensor, 'name' | 'shape'>;

function mismatches(wanted: readonly Named[], given: readonly Named[]): string[] {
  const byName = new Map(given.map((tensor) => [tensor.name, tensor]));
  const names = new Set(wanted.map(({ name }) => name));
  const advice = 'the checkpoint is of another program; use another checkpoint.directory';
  return [
    ...wanted.flatMap(({ name, shape }) => {
      const found = byName.get(name);
      if (found === undefined) return [`${name} is not in the start state: ${advice}`];
      const same = found.shape.join() === shape.join();
      return same
        ? []
        : [
            `${name} has shape [${found.shape.join(', ')}] in the start state, [${shape.join(', ')}] in the program: ${advice}`,
          ];
    }),
    ...given.flatMap(({ name }) =>
      names.has(name) ? [] : [`${name} is in the start state, not in the program: ${advice}`],
    ),
  ];
}
