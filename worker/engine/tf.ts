import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { chainOps } from './chained-ops.ts';

chainOps();

/** TensorFlow.js as programs see it: core ops, `tf.sequential`, `tf.model`, `tf.input` and `tf.layers`. */
export const tf = { ...core, ...layers };
export type Tf = typeof tf;
export type Tensor = core.Tensor;
export type Variable = core.Variable;
export type TensorInfo = core.TensorInfo;
export type LayersModel = layers.LayersModel;
