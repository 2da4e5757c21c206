import { defineTraining } from '@hayate/worker';

const size = 64;
const classes = 10;
const pixels = size * size * 3;

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
    const { x, y } = ring(batchSize);
    for (let step = startStep; ; step++) {
      const first = (step * batchSize) % classes;
      yield {
        x: x.subarray(first * pixels, (first + batchSize) * pixels),
        y: y.subarray(first, first + batchSize),
      };
    }
  },
});

/** One picture a class, again and again, as many as let a batch start at any of them: making a batch costs nothing. */
function ring(batchSize: number): { x: Float32Array; y: Int32Array } {
  const y = Int32Array.from({ length: classes + batchSize - 1 }, (_, i) => i % classes);
  const x = new Float32Array(y.length * pixels);
  y.forEach((label, i) => x.set(stripes(label), i * pixels));
  return { x, y };
}

/** Stripes of a direction and width that their class decides. */
function stripes(label: number): Float32Array {
  return Float32Array.from({ length: pixels }, (_, at) => {
    const column = Math.floor(at / 3) % size;
    const row = Math.floor(at / (3 * size));
    return Math.sin(((label + 1) * (label % 2 === 0 ? row : column)) / 8);
  });
}
