import { type Tensor, tf } from '../engine/tf.ts';
import type { Node, ValueId } from './graph.ts';
import { GraphError } from './graph-error.ts';
import { fusedRules, type LeanRule, leanRules } from './lean-rules.ts';
import type { Recording } from './recording.ts';

/** What TensorFlow.js's tape holds of one op. */
export interface TapeNode {
  kernelName: string;
  inputs: Readonly<Record<string, Tensor>>;
  outputs: readonly Tensor[];
  gradient?: (dys: (Tensor | undefined)[]) => Record<string, () => Tensor>;
}

interface Step {
  op: TapeNode;
  inputs: readonly (readonly [string, ValueId])[];
  outputs: readonly ValueId[];
}

/**
 * Records the backward pass of `loss`: walks the tape from its end, runs each gradient by itself, weight gradients
 * before input gradients, and adds contributions up by explicit nodes. Returns the gradient of each wanted value that
 * the loss depends on. Throws {@link GraphError} `noGradient` for ops without one.
 */
export function differentiate(
  recording: Recording,
  tape: readonly TapeNode[],
  loss: ValueId,
  wanted: readonly ValueId[],
): Map<ValueId, ValueId> {
  const steps = tape.map((op) => stepOf(recording, op)).filter(({ inputs, outputs }) => !sameBuffer(inputs, outputs));
  const isFloat = (id: ValueId) => recording.values[id]?.dtype === 'float32';
  const needed = reach(steps, new Set(wanted), isFloat);
  const fromBatch = reach(steps, batchValues(recording), () => true);
  const contributions = new Map<ValueId, Tensor[]>([[loss, [tf.scalar(1)]]]);

  const total = (id: ValueId): Tensor | undefined => {
    const parts = contributions.get(id);
    if (parts === undefined) return undefined;
    const sum = parts.length > 1 ? tf.addN(parts) : (parts[0] as Tensor);
    contributions.set(id, [sum]);
    return sum;
  };

  for (const step of steps.toReversed()) {
    const sought = step.inputs.filter(([, id]) => needed.has(id));
    if (sought.length === 0 || !step.outputs.some((id) => needed.has(id) && contributions.has(id))) continue;
    recording.backwardLayer = Math.max(1, ...step.outputs.map((id) => recording.layerOf(id)));
    recording.role = 'inputGradient';
    const first = recording.nodes.length;
    const thunks = thunksOf(recording, step, step.outputs.map(total));
    const weightsFirst = [...sought].sort(([, a], [, b]) => Number(fromBatch.has(a)) - Number(fromBatch.has(b)));
    const batchGradients: ValueId[] = [];
    for (const [name, id] of weightsFirst) {
      const thunk = thunks[name];
      if (thunk === undefined) throw noGradient(recording, step, `for its input ${name}`);
      const gradient = checked(recording, step, id, thunk());
      contributions.set(id, [...(contributions.get(id) ?? []), gradient]);
      if (fromBatch.has(id)) batchGradients.push(recording.valueOf(gradient));
    }
    assignRoles(recording.nodes, first, batchGradients);
  }

  const gradients = new Map<ValueId, ValueId>();
  for (const id of wanted) {
    recording.role = 'weightGradient';
    recording.backwardLayer = Math.max(1, recording.layerOf(id));
    const gradient = total(id);
    if (gradient !== undefined) gradients.set(id, recording.valueOf(gradient));
  }
  return gradients;
}

function stepOf(recording: Recording, op: TapeNode): Step {
  return {
    op,
    inputs: Object.entries(op.inputs).flatMap(([name, tensor]) =>
      tensor === undefined || tensor === null ? [] : [[name, recording.valueOf(tensor)] as const],
    ),
    outputs: op.outputs.map((tensor) => recording.valueOf(tensor)),
  };
}

/** Clones: the tape knows two tensors where the graph knows one value. */
function sameBuffer(inputs: Step['inputs'], outputs: Step['outputs']): boolean {
  return outputs.every((output) => inputs.some(([, id]) => id === output));
}

/**
 * Values that depend on any of `from` by a path of which each value passes `through`: nothing depends on weights
 * smoothly through a comparison or an index, so gradients end there.
 */
function reach(steps: readonly Step[], from: ReadonlySet<ValueId>, through: (id: ValueId) => boolean): Set<ValueId> {
  const reached = new Set(from);
  for (const { inputs, outputs } of steps) {
    if (inputs.some(([, id]) => reached.has(id))) for (const id of outputs.filter(through)) reached.add(id);
  }
  return reached;
}

/** Values that are different in every step and are no weights: feeds and draws. */
function batchValues(recording: Recording): Set<ValueId> {
  const fixed = new Set([...recording.weights, ...recording.constants].map(({ value }) => value));
  return new Set(
    recording.values.filter(({ id }) => !fixed.has(id) && recording.producerOf(id) === undefined).map(({ id }) => id),
  );
}

function thunksOf(
  recording: Recording,
  step: Step,
  dys: readonly (Tensor | undefined)[],
): Readonly<Record<string, (() => Tensor) | undefined>> {
  const output = step.outputs[0] as ValueId;
  const dy = dys[0];
  const made = recording.producerOf(recording.root(output));
  const registered = tf.getGradient(step.op.kernelName) !== undefined || leanRules.has(step.op.kernelName);
  const fused = registered ? undefined : fusedRules.get(made?.kernel ?? '');
  if (fused !== undefined && made !== undefined && dy !== undefined && made.attrs['activation'] === 'linear') {
    const aligned = tf.reshape(dy, [...(recording.values[made.outputs[0] as ValueId]?.shape ?? [])]);
    const thunks = ruleThunks(recording, fused.rule, made, aligned);
    return Object.fromEntries(fused.inputs.map((name, index) => [String(index), thunks[name]]));
  }
  const lean = leanRules.get(step.op.kernelName);
  if (lean !== undefined && dy !== undefined && made !== undefined) return ruleThunks(recording, lean, made, dy);
  if (step.op.gradient === undefined) throw noGradient(recording, step, '');
  return step.op.gradient([...dys]);
}

function ruleThunks(
  recording: Recording,
  rule: LeanRule,
  node: Node,
  dy: Tensor,
): Readonly<Record<string, () => Tensor>> {
  const inputValue = (name: string) => node.inputs[name] as ValueId;
  return rule({
    dy,
    input: (name) => recording.tensorOf(inputValue(name)),
    inputShape: (name) => [...(recording.values[inputValue(name)]?.shape ?? [])],
    output: (index = 0) => recording.tensorOf(node.outputs[index] as ValueId),
    attrs: node.attrs,
  });
}

/** Of the nodes from `first` on, those that `batchGradients` depend on compute input gradients; the rest serve weights only. */
function assignRoles(nodes: Node[], first: number, batchGradients: readonly ValueId[]): void {
  const wanted = new Set(batchGradients);
  for (let at = nodes.length - 1; at >= first; at--) {
    const node = nodes[at] as Node;
    if (!node.outputs.some((id) => wanted.has(id))) {
      node.role = 'weightGradient';
      continue;
    }
    for (const id of Object.values(node.inputs).flat()) wanted.add(id);
  }
}

function checked(recording: Recording, step: Step, id: ValueId, gradient: Tensor): Tensor {
  const shape = recording.values[id]?.shape ?? [];
  if (gradient.dtype === 'float32' && gradient.shape.join() === shape.join()) return gradient;
  throw new GraphError(
    'noGradient',
    `${describe(recording, step)}: TensorFlow.js's gradient has shape [${gradient.shape.join(', ')}] where [${shape.join(', ')}] is needed; broadcast the operands explicitly or use another op`,
  );
}

function noGradient(recording: Recording, step: Step, detail: string): GraphError {
  const sentence = `${describe(recording, step)} has no gradient ${detail}`.trim();
  return new GraphError('noGradient', `${sentence}; use another op, or keep it off the path from weights to loss`);
}

function describe(recording: Recording, step: Step): string {
  const layer = Math.max(1, ...step.outputs.map((id) => recording.layerOf(id)));
  const name = recording.weights.find((weight) => weight.layer === layer)?.name.split('/')[0];
  return `${step.op.kernelName} (layer ${layer}${name === undefined ? '' : `, ${name}`})`;
}
