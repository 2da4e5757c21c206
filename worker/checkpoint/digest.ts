import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { tensorDigest } from './format.ts';
import type { StateTensor, TrainingState } from './state.ts';

/** Digests of a state; two states with equal digests hold the same bits. */
export interface StateDigests {
  /** sha256 of every tensor, in order. */
  tensors: readonly string[];
  /** Over the step and all tensors: what ranks compare before they start. */
  state: string;
  /** Over the variables alone, without optimizer slots: what a person compares. */
  weights: string;
}

/** Digests a state, tensor by tensor; the event loop runs in between, so that heartbeats go on. */
export async function digestState(state: TrainingState): Promise<StateDigests> {
  const tensors: string[] = [];
  for (const tensor of state.tensors) {
    tensors.push(tensorDigest(tensor));
    await breathe();
  }
  const lines = state.tensors.map((tensor, i) => line(tensor, tensors[i] ?? ''));
  const variable = isVariable(state.tensors);
  return {
    tensors,
    state: sha256([`step ${state.step}`, ...lines]),
    weights: sha256(lines.filter((_, i) => variable(state.tensors[i]?.name ?? ''))),
  };
}

/** Slots are named `<variable>/<slot>`. */
function isVariable(tensors: readonly StateTensor[]): (name: string) => boolean {
  const names = new Set(tensors.map((tensor) => tensor.name));
  return (name) => !names.has(name.slice(0, Math.max(0, name.lastIndexOf('/'))));
}

function line(tensor: StateTensor, digest: string): string {
  return JSON.stringify([tensor.name, tensor.shape, digest]);
}

function sha256(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}
