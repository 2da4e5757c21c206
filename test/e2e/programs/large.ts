import { defineTraining } from '@hayate/worker';

const samples = 4096;

/** A step that holds more than the 4 GiB that the wasm engine can address, of small data and few weights. */
export default defineTraining({
  model: (tf) =>
    tf.sequential({
      layers: [tf.layers.dense({ inputShape: [1], units: 1 << 17, activation: 'tanh' }), tf.layers.dense({ units: 1 })],
    }),
  loss: 'meanSquaredError',
  optimizer: () => ({ kind: 'sgd', learningRate: 0.1 }),
  *data() {
    while (true) yield { x: new Float32Array(samples), y: new Float32Array(samples) };
  },
});
