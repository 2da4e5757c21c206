import { type Batch, defineTraining } from '@hayate/worker';

const size = 64;
const classes = 10;

/** VGG-16 (Simonyan and Zisserman, 2014), an eighth as wide, on pictures of 64 × 64. */
export default defineTraining({
  model: (tf) => {
    const convolution = (filters: number, first = false) =>
      tf.layers.conv2d({
        filters,
        kernelSize: 3,
        padding: 'same',
        activation: 'relu',
        ...(first && { inputShape: [size, size, 3] }),
      });
    const block = (filters: number, count: number) => [
      ...Array.from({ length: count }, () => convolution(filters)),
      tf.layers.maxPooling2d({ poolSize: 2 }),
    ];
    return tf.sequential({
      layers: [
        convolution(8, true),
        ...block(8, 1),
        ...block(16, 2),
        ...block(32, 3),
        ...block(64, 3),
        ...block(64, 3),
        tf.layers.flatten(),
        tf.layers.dense({ units: 512, activation: 'relu' }),
        tf.layers.dense({ units: 512, activation: 'relu' }),
        tf.layers.dense({ units: classes }),
      ],
    });
  },
  loss: 'sparseSoftmaxCrossEntropy',
  optimizer: () => ({ kind: 'momentum', learningRate: 0.01, momentum: 0.9 }),
  *data({ batchSize, startStep }) {
    for (let step = startStep; ; step++) yield stripes(step * batchSize, batchSize);
  },
});

/** Stripes of a direction and width that their class decides. */
function stripes(first: number, count: number): Batch {
  const y = Int32Array.from({ length: count }, (_, i) => (first + i) % classes);
  const x = Float32Array.from({ length: count * size * size * 3 }, (_, at) => {
    const picture = Math.floor(at / (size * size * 3));
    const column = Math.floor(at / 3) % size;
    const row = Math.floor(at / (3 * size)) % size;
    const label = y[picture] as number;
    return Math.sin(((label + 1) * (label % 2 === 0 ? row : column)) / 8);
  });
  return { x, y };
}
