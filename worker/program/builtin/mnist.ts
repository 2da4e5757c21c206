import { type Batch, defineTraining } from '@hayate/worker';
import { z } from 'zod';
import { generator } from '../../engine/random.ts';
import { permutation } from '../permutation.ts';
import { type Digits, pixelsPerDigit, readDigits } from './digits.ts';

const side = 28;
const heldOut = 1500;
/** A digit to train on is moved by up to so many pixels, each time another way. */
const maxShift = 2;

/** A small convolutional network for handwritten digits; 1,500 of the 10,000 are held out for evaluation. */
export default defineTraining({
  parameters: z.object({
    learningRate: z.number().positive().default(0.01),
  }),
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [28, 28, 1], filters: 8, kernelSize: 5, padding: 'same', activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.conv2d({ filters: 16, kernelSize: 5, padding: 'same', activation: 'relu' }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 10 }),
      ],
    }),
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'adam', learningRate }),
  *data({ rank, worldSize, batchSize, seed, startStep }) {
    const digits = readDigits();
    const training = permutation(digits.count, 0).subarray(heldOut);
    const globalBatch = batchSize * worldSize;
    const perPass = Math.floor(training.length / globalBatch);
    if (perPass === 0) throw new Error(`globalBatchSize is above the ${training.length} digits to train on`);
    let order = new Uint32Array();
    for (let step = startStep; ; step++) {
      const place = step % perPass;
      if (place === 0 || order.length === 0) order = permutation(training.length, seed, Math.floor(step / perPass));
      const first = place * globalBatch + rank * batchSize;
      const chosen = Array.from(order.subarray(first, first + batchSize), (index) => training[index] as number);
      yield pick(digits, chosen, (i) => shiftOf(generator(seed, step, rank * batchSize + i)));
    }
  },
  *evaluate() {
    const digits = readDigits();
    const test = permutation(digits.count, 0).subarray(0, heldOut);
    for (let first = 0; first < heldOut; first += 250) yield pick(digits, test.subarray(first, first + 250));
  },
});

type Shift = readonly [rows: number, columns: number];

const unmoved: Shift = [0, 0];

function shiftOf(random: () => number): Shift {
  const pixels = () => Math.floor(random() * (2 * maxShift + 1)) - maxShift;
  return [pixels(), pixels()];
}

function pick(digits: Digits, indices: ArrayLike<number>, shift: (i: number) => Shift = () => unmoved): Batch {
  const x = new Float32Array(indices.length * pixelsPerDigit);
  const y = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const digit = indices[i] as number;
    draw(x, i * pixelsPerDigit, digits.pixels, digit * pixelsPerDigit, shift(i));
    y[i] = digits.labels[digit] as number;
  }
  return { x, y };
}

/** Grey values from 0 to 1. */
const greys = Float32Array.from({ length: 256 }, (_, grey) => grey / 255);

/** Draws one moved digit onto zeros; takes a microsecond, so that batches do not hold a training up. */
function draw(target: Float32Array, to: number, pixels: Uint8Array, from: number, [down, right]: Shift): void {
  const [top, bottom] = [Math.max(0, down), side + Math.min(0, down)];
  const [left, end] = [Math.max(0, right), side + Math.min(0, right)];
  for (let row = top; row < bottom; row++) {
    const place = to + row * side;
    const source = from + (row - down) * side - right;
    for (let column = left; column < end; column++) {
      target[place + column] = greys[pixels[source + column] as number] as number;
    }
  }
}
