import { defineTraining } from '@hayate/worker';
import type { Tf } from '../../engine/tf.ts';
import { pictureParameters, syntheticPictures, widened } from './synthetic.ts';

type Node = ReturnType<Tf['input']>;

/** Channels inside the blocks of each stage, and how many there are; a block's output has four times as many. */
const stages = [
  { channels: 64, blocks: 3 },
  { channels: 128, blocks: 4 },
  { channels: 256, blocks: 6 },
  { channels: 512, blocks: 3 },
];

/**
 * ResNet-50 (He et al., 2015), a stage's stride in its first 3 × 3 convolution (version 1.5): 25,557,032 trainable
 * parameters for pictures of 224 × 224 in 1000 classes.
 */
export default defineTraining({
  parameters: pictureParameters({ smallest: 32, learningRate: 0.01 }),
  model: (tf, { imageSize, classes, width }) => {
    const { convolution, relu, bottleneck } = parts(tf);
    const input = tf.input({ shape: [imageSize, imageSize, 3] });
    const stem = relu(convolution(input, { filters: widened(64, width), kernelSize: 7, strides: 2 }));
    let x = tf.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(stem) as Node;
    stages.forEach(({ channels, blocks }, stage) => {
      for (let block = 0; block < blocks; block++) {
        x = bottleneck(x, {
          channels: widened(channels, width),
          strides: stage > 0 && block === 0 ? 2 : 1,
          projects: block === 0,
        });
      }
    });
    const pooled = tf.layers.globalAveragePooling2d({}).apply(x);
    return tf.model({ inputs: input, outputs: tf.layers.dense({ units: classes }).apply(pooled) as Node });
  },
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'momentum', learningRate, momentum: 0.9 }),
  data: syntheticPictures,
});

function parts(tf: Tf) {
  /** A convolution without bias, since the batch normalisation behind it has one. */
  const convolution = (x: Node, window: { filters: number; kernelSize: number; strides: number }): Node => {
    const settings = { padding: 'same', useBias: false, kernelInitializer: 'heUniform' } as const;
    const convolved = tf.layers.conv2d({ ...window, ...settings }).apply(x);
    return tf.layers.batchNormalization({ momentum: 0.9, epsilon: 1e-5 }).apply(convolved) as Node;
  };
  const relu = (x: Node): Node => tf.layers.reLU().apply(x) as Node;
  const bottleneck = (x: Node, block: { channels: number; strides: number; projects: boolean }): Node => {
    const { channels, strides, projects } = block;
    const narrow = relu(convolution(x, { filters: channels, kernelSize: 1, strides: 1 }));
    const inner = relu(convolution(narrow, { filters: channels, kernelSize: 3, strides }));
    const wide = convolution(inner, { filters: 4 * channels, kernelSize: 1, strides: 1 });
    const shortcut = projects ? convolution(x, { filters: 4 * channels, kernelSize: 1, strides }) : x;
    return relu(tf.layers.add().apply([wide, shortcut]) as Node);
  };
  return { convolution, relu, bottleneck };
}
