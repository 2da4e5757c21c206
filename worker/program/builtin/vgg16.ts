import { defineTraining } from '@hayate/worker';
import { pictureParameters, syntheticPictures, widened } from './synthetic.ts';

/** Channels of the convolutions of each block; a pooling closes it. */
const blocks = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

/**
 * VGG-16 (Simonyan and Zisserman, 2014), configuration D: 138,357,544 parameters for pictures of 224 × 224 in 1000
 * classes. Without dropout: a step's numbers follow from weights and batch alone.
 */
export default defineTraining({
  parameters: pictureParameters({ smallest: 32, learningRate: 0.001 }),
  model: (tf, { imageSize, classes, width }) => {
    const dense = () =>
      tf.layers.dense({ units: widened(4096, width), activation: 'relu', kernelInitializer: 'heUniform' });
    return tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [imageSize, imageSize, 3] }),
        ...blocks.flatMap((block) => [
          ...block.map((channels) =>
            tf.layers.conv2d({
              filters: widened(channels, width),
              kernelSize: 3,
              padding: 'same',
              activation: 'relu',
              kernelInitializer: 'heUniform',
            }),
          ),
          tf.layers.maxPooling2d({ poolSize: 2 }),
        ]),
        tf.layers.flatten(),
        dense(),
        dense(),
        tf.layers.dense({ units: classes }),
      ],
    });
  },
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'momentum', learningRate, momentum: 0.9 }),
  data: syntheticPictures,
});
