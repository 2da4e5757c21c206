import { defineTraining } from '@hayate/worker';
import { pictureParameters, syntheticPictures, widened } from './synthetic.ts';

/** AlexNet as one tower (Krizhevsky, 2014): 61,100,840 parameters for pictures of 224 × 224 in 1000 classes. */
export default defineTraining({
  parameters: pictureParameters({ smallest: 57, learningRate: 0.001 }),
  model: (tf, { imageSize, classes, width }) => {
    const convolution = (channels: number, kernelSize: number, first?: { strides: number; inputShape: number[] }) =>
      tf.layers.conv2d({
        filters: widened(channels, width),
        kernelSize,
        ...first,
        padding: 'same',
        activation: 'relu',
        kernelInitializer: 'heUniform',
      });
    const pooling = () => tf.layers.maxPooling2d({ poolSize: 3, strides: 2 });
    const dense = () =>
      tf.layers.dense({ units: widened(4096, width), activation: 'relu', kernelInitializer: 'heUniform' });
    return tf.sequential({
      layers: [
        convolution(64, 11, { strides: 4, inputShape: [imageSize, imageSize, 3] }),
        pooling(),
        convolution(192, 5),
        pooling(),
        convolution(384, 3),
        convolution(256, 3),
        convolution(256, 3),
        pooling(),
        tf.layers.flatten(),
        tf.layers.dropout({ rate: 0.5 }),
        dense(),
        tf.layers.dropout({ rate: 0.5 }),
        dense(),
        tf.layers.dense({ units: classes }),
      ],
    });
  },
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: ({ learningRate }) => ({ kind: 'momentum', learningRate, momentum: 0.9 }),
  data: syntheticPictures,
});
