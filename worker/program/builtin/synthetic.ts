import { z } from 'zod';
import { generator } from '../../engine/random.ts';
import type { Batch, DataContext } from '../define.ts';

export interface PictureParameters {
  /** Height and width in pixels; three channels. */
  imageSize: number;
  classes: number;
  /** Factor on the channels of every layer but the last. */
  width: number;
  learningRate: number;
}

/** Parameters of the programs that train on made-up pictures; `smallest` is the least size that the network can take. */
export function pictureParameters({ smallest, learningRate }: { smallest: number; learningRate: number }) {
  return z.object({
    imageSize: z.int().min(smallest).max(1024).default(224),
    classes: z.int().min(2).max(100_000).default(1000),
    width: z
      .number()
      .min(1 / 64)
      .max(16)
      .default(1),
    learningRate: z.number().positive().default(learningRate),
  });
}

/** Channels of a layer that has `channels` at width 1. */
export function widened(channels: number, width: number): number {
  return Math.max(1, Math.round(channels * width));
}

/** So many different pictures there are: a prime, so that batches of any size start at all of them in turn. */
const distinct = 61;

/**
 * Made-up pictures [imageSize, imageSize, 3], each with waves that its class decides, under noise. The picture at a
 * place of the global batch follows from seed and step alone. Batches are views of one ring of pictures: making one
 * costs nothing, so that a training's speed is that of the training.
 */
export function* syntheticPictures(context: DataContext<PictureParameters>): Generator<Batch> {
  const { rank, worldSize, batchSize, seed, startStep } = context;
  const { x, y, pixels } = ring(context);
  for (let step = startStep; ; step++) {
    const first = ((step * worldSize + rank) * batchSize + seed) % distinct;
    yield { x: x.subarray(first * pixels, (first + batchSize) * pixels), y: y.subarray(first, first + batchSize) };
  }
}

/** All pictures, and then from the first again as many as let a batch start at any. */
function ring({ parameters: { imageSize, classes }, batchSize, seed }: DataContext<PictureParameters>) {
  const pixels = imageSize * imageSize * 3;
  const count = distinct + batchSize - 1;
  const x = new Float32Array(count * pixels);
  const y = new Int32Array(count);
  for (let picture = 0; picture < count; picture++) {
    const original = picture % distinct;
    if (picture === original) {
      y[picture] = paint(x.subarray(picture * pixels, (picture + 1) * pixels), imageSize, classes, seed, picture);
    } else {
      x.copyWithin(picture * pixels, original * pixels, (original + 1) * pixels);
      y[picture] = y[original] as number;
    }
  }
  return { x, y, pixels };
}

/** Paints one picture and returns its class. */
function paint(target: Float32Array, imageSize: number, classes: number, seed: number, picture: number): number {
  const random = generator(seed, picture);
  const label = Math.floor(random() * classes);
  const style = generator(label);
  const [across, down, shift] = [1 + 7 * style(), 1 + 7 * style(), 2 * Math.PI * style()];
  const turn = (2 * Math.PI) / imageSize;
  for (let at = 0; at < target.length; at++) {
    const pixel = Math.floor(at / 3);
    const wave = across * (pixel % imageSize) + down * Math.floor(pixel / imageSize);
    target[at] = Math.sin(turn * wave + (1 + (at % 3)) * shift) + random() - 0.5;
  }
  return label;
}
