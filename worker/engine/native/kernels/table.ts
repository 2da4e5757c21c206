import type { Kernel } from '../kernel.ts';
import { convolutions } from './convolution.ts';
import { elementwise } from './elementwise.ts';
import { gathers } from './gather.ts';
import { images } from './image.ts';
import { losses } from './loss.ts';
import { products } from './matmul.ts';
import { normalizations } from './normalization.ts';
import { poolings } from './pooling.ts';
import { reductions } from './reduction.ts';
import { shapes } from './shape.ts';

/** All kernels of the native engine, by TensorFlow.js's names and those of the lean kernels. */
export const kernels: ReadonlyMap<string, Kernel> = new Map([
  ...convolutions,
  ...elementwise,
  ...gathers,
  ...images,
  ...losses,
  ...normalizations,
  ...poolings,
  ...products,
  ...reductions,
  ...shapes,
]);
