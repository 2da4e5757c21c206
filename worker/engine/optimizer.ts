import type { OptimizerStep } from './engine.ts';

/** How many float32 tensors of the variable's length the optimizer keeps. */
export function slotNamesOf(kind: OptimizerStep['kind']): readonly string[] {
  switch (kind) {
    case 'sgd':
      return [];
    case 'momentum':
      return ['momentum'];
    case 'adam':
      return ['m', 'v'];
    default:
      return unknown(kind);
  }
}

/**
 * Updates `variable` and its slots in place from `sum` × `scale`, by the formulas of TensorFlow.js's optimizers.
 * Returns false when the scaled gradient holds a NaN or an infinity.
 */
export function applyUpdate(
  variable: Float32Array,
  slots: readonly Float32Array[],
  sum: Float32Array,
  scale: number,
  step: OptimizerStep,
): boolean {
  switch (step.kind) {
    case 'sgd':
      return sgd(variable, sum, scale, step.learningRate);
    case 'momentum':
      return momentum(variable, slots[0] as Float32Array, sum, scale, step);
    case 'adam':
      return adam(variable, slots[0] as Float32Array, slots[1] as Float32Array, sum, scale, step);
    default:
      return unknown(step);
  }
}

/** `variable` becomes `sum` × `scale`; false when that holds a NaN or an infinity. */
export function applyMean(variable: Float32Array, sum: Float32Array, scale: number): boolean {
  let check = 0;
  for (let i = 0; i < variable.length; i++) {
    const mean = (sum[i] as number) * scale;
    check += mean - mean;
    variable[i] = mean;
  }
  return check === 0;
}

function sgd(variable: Float32Array, sum: Float32Array, scale: number, rate: number): boolean {
  let check = 0;
  for (let i = 0; i < variable.length; i++) {
    const gradient = (sum[i] as number) * scale;
    check += gradient - gradient;
    variable[i] = (variable[i] as number) - rate * gradient;
  }
  return check === 0;
}

function momentum(
  variable: Float32Array,
  velocity: Float32Array,
  sum: Float32Array,
  scale: number,
  { learningRate, momentum, nesterov }: Extract<OptimizerStep, { kind: 'momentum' }>,
): boolean {
  let check = 0;
  for (let i = 0; i < variable.length; i++) {
    const gradient = (sum[i] as number) * scale;
    check += gradient - gradient;
    const next = momentum * (velocity[i] as number) + gradient;
    velocity[i] = next;
    variable[i] = (variable[i] as number) - learningRate * (nesterov ? gradient + momentum * next : next);
  }
  return check === 0;
}

function adam(
  variable: Float32Array,
  first: Float32Array,
  second: Float32Array,
  sum: Float32Array,
  scale: number,
  { learningRate, beta1, beta2, epsilon, step }: Extract<OptimizerStep, { kind: 'adam' }>,
): boolean {
  const firstCorrection = 1 / (1 - beta1 ** step);
  const secondCorrection = 1 / (1 - beta2 ** step);
  let check = 0;
  for (let i = 0; i < variable.length; i++) {
    const gradient = (sum[i] as number) * scale;
    check += gradient - gradient;
    const m = beta1 * (first[i] as number) + (1 - beta1) * gradient;
    const v = beta2 * (second[i] as number) + (1 - beta2) * gradient * gradient;
    first[i] = m;
    second[i] = v;
    const change = (m * firstCorrection) / (Math.sqrt(v * secondCorrection) + epsilon);
    variable[i] = (variable[i] as number) - learningRate * change;
  }
  return check === 0;
}

function unknown(step: never): never {
  throw new TypeError(`unknown optimizer ${JSON.stringify(step)}`);
}
