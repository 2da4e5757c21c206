import { elementsOf } from '../device.ts';
import type { Handle, OptimizerStep, Sum } from '../engine.ts';

const kinds = { sgd: 0, momentum: 1, adam: 2, average: 3 } as const;
const [kindAt, scaleAt, tagAt, sumAt, firstAt, lengthAt, variableAt, slotsAt, numbersAt] = [0, 1, 2, 3, 4, 5, 6, 7, 9];
const intoAt = 15;
const fields = 16;

/** One update as the addon reads it (addon/binding_kernels.cc): numbers in memory that is used again and again. */
export class UpdateRequest {
  readonly numbers = new Float64Array(fields);

  /** Returns the sum where it is on the host. */
  set(
    variable: Handle,
    slots: readonly Handle[],
    sum: Sum,
    scale: number,
    step: OptimizerStep | { kind: 'average' },
    tag: number,
    first: number,
  ): Float32Array | undefined {
    const { numbers } = this;
    numbers[kindAt] = kinds[step.kind];
    numbers[scaleAt] = scale;
    numbers[tagAt] = tag;
    numbers[intoAt] = first;
    numbers[variableAt] = variable.ref as number;
    numbers[slotsAt] = (slots[0]?.ref ?? 0) as number;
    numbers[slotsAt + 1] = (slots[1]?.ref ?? 0) as number;
    setOptimizer(numbers, step);
    if (sum instanceof Float32Array) {
      numbers[sumAt] = 0;
      numbers[lengthAt] = sum.length;
      return sum;
    }
    const isPart = 'handle' in sum;
    numbers[sumAt] = (isPart ? sum.handle : sum).ref as number;
    numbers[firstAt] = isPart ? sum.offset : 0;
    numbers[lengthAt] = isPart ? sum.length : elementsOf(sum.shape);
    return undefined;
  }
}

function setOptimizer(numbers: Float64Array, step: OptimizerStep | { kind: 'average' }): void {
  switch (step.kind) {
    case 'sgd':
      numbers[numbersAt] = step.learningRate;
      return;
    case 'momentum':
      numbers[numbersAt] = step.learningRate;
      numbers[numbersAt + 1] = step.momentum;
      numbers[numbersAt + 2] = Number(step.nesterov);
      return;
    case 'adam':
      numbers[numbersAt] = step.learningRate;
      numbers[numbersAt + 1] = step.beta1;
      numbers[numbersAt + 2] = step.beta2;
      numbers[numbersAt + 3] = step.epsilon;
      numbers[numbersAt + 4] = 1 / (1 - step.beta1 ** step.step);
      numbers[numbersAt + 5] = 1 / (1 - step.beta2 ** step.step);
      return;
    case 'average':
      return;
    default:
      throw new TypeError(`unknown optimizer ${JSON.stringify(step satisfies never)}`);
  }
}
