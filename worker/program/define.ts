import type { z } from 'zod';
import type { LayersModel, Tensor, Tf } from '../engine/tf.ts';

/** Losses by name; y is class indices for the sparse one, one-hot rows, or targets of the prediction's shape. */
export type LossName = 'softmaxCrossEntropy' | 'sparseSoftmaxCrossEntropy' | 'sigmoidCrossEntropy' | 'meanSquaredError';

/** Mean loss over the batch, a scalar. Written with tf ops; must not read data. */
export type LossFunction = (tf: Tf, y: Tensor, prediction: Tensor) => Tensor;

export type OptimizerSettings =
  | { kind: 'sgd'; learningRate: number }
  | { kind: 'momentum'; learningRate: number; momentum: number; nesterov?: boolean }
  | { kind: 'adam'; learningRate: number; beta1?: number; beta2?: number; epsilon?: number };

/** A typed array (row-major) whose length is a multiple of the batch size; the rest of the shape comes from the model. */
export type BatchData = Float32Array | Int32Array;

/** One batch of one rank. `y` may be omitted by programs whose loss does not need it. */
export interface Batch {
  x: BatchData | Readonly<Record<string, BatchData>>;
  y: BatchData;
}

export interface DataContext<P> {
  parameters: P;
  rank: number;
  worldSize: number;
  /** This rank's samples a step: globalBatchSize / worldSize. */
  batchSize: number;
  seed: number;
  /** First step to yield: a resumed run continues its data exactly here. */
  startStep: number;
}

/** A training program: what a user's module exports as default. */
export interface TrainingProgram<P = unknown> {
  /** zod schema of training.parameters. */
  parameters?: z.ZodType<P>;
  /** Builds the model with tf.layers; called once, with Math.random seeded by training.seed. */
  model: (tf: Tf, parameters: P) => LayersModel;
  loss: LossName | LossFunction;
  optimizer: (parameters: P) => OptimizerSettings;
  /** This rank's slice of each global batch, step after step, without end. */
  data: (context: DataContext<P>) => AsyncIterable<Batch> | Iterable<Batch>;
  /** Held-out batches (any sizes) for rank 0 after the last step; accuracy is reported for classification losses. */
  evaluate?: (context: { parameters: P; seed: number }) => AsyncIterable<Batch> | Iterable<Batch>;
}

/** Types a program; returns it as it is. */
export function defineTraining<P>(program: TrainingProgram<P>): TrainingProgram<P> {
  return program;
}
