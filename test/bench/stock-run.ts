import { ownWasmKernels, runKernel } from '../../worker/engine/kernel-table.ts';
import { MeteredWasm } from '../../worker/engine/metered-wasm.ts';
import { wasmDevice } from '../../worker/engine/shape-backend.ts';
import { type Tensor, type TensorInfo, tf, type Variable } from '../../worker/engine/tf.ts';
import { loadWasmModule } from '../../worker/engine/wasm-module.ts';
import { stockLoss, targetOf } from '../../worker/graph/loss.ts';
import { buildModel } from '../../worker/graph/model.ts';
import type { Batch, OptimizerSettings, TrainingProgram } from '../../worker/program/define.ts';

export interface StockRun {
  program: TrainingProgram;
  parameters: unknown;
  batchSize: number;
  seed: number;
  steps: number;
}

/**
 * Trains with TensorFlow.js's own tape and optimizer on the WASM engine's kernels, for real, and counts distinct
 * buffers as the engine does. The first step, which makes the optimizer's state, does not count.
 */
export async function runStock({ program, parameters, batchSize, seed, steps }: StockRun) {
  const { backend, backendName } = await openBackend();
  const model = buildModel({ program, parameters, batchSize, seed });
  const { loss } = program;
  const minimizer = minimizerOf(program.optimizer(parameters));
  const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: Variable }).val);
  const batches = program.data({ parameters, rank: 0, worldSize: 1, batchSize, seed, startStep: 0 }) as Iterable<Batch>;
  const seconds: number[] = [];
  await tf.setBackend(backendName);
  let done = 0;
  for (const batch of batches) {
    if (done === 1) backend.meter.peak = backend.meter.live;
    const started = performance.now();
    const shapes = [...model.inputs, ...model.outputs].map(({ shape }) => [batchSize, ...shape.slice(1)] as number[]);
    const target = targetOf(loss, shapes[1] ?? []);
    const x = tf.tensor(ArrayBuffer.isView(batch.x) ? batch.x : [], shapes[0]);
    const y = tf.tensor(batch.y, target.shape, target.dtype);
    const compute = () => {
      const prediction = model.apply(x, { training: true }) as Tensor;
      return stockLoss(loss, y, prediction, prediction) as never;
    };
    minimizer.minimize(compute, false, variables);
    tf.dispose([x, y]);
    seconds.push((performance.now() - started) / 1000);
    done += 1;
    if (done > steps) break;
  }
  await tf.setBackend('cpu');
  return { peakBytes: backend.meter.peak, seconds: seconds.slice(1) };
}

let runs = 0;

/** A WASM backend of its own for each run: a meter that starts at 0, and nothing left over from the last run. */
async function openBackend(): Promise<{ backend: MeteredWasm; backendName: string }> {
  const backend = new MeteredWasm(await loadWasmModule());
  const backendName = `measured-stock-${(runs += 1)}`;
  const device = wasmDevice(backend);
  for (const kernelName of new Set([...tf.getKernelsForBackend('wasm').map((k) => k.kernelName), ...ownWasmKernels])) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => {
        const named = Array.isArray(inputs) ? { tensors: inputs as TensorInfo[] } : inputs;
        return runKernel(device, kernelName, named, attrs ?? {});
      },
    });
  }
  tf.registerBackend(backendName, () => backend);
  return { backend, backendName };
}

/** TensorFlow.js's own optimizer. */
export function minimizerOf(settings: OptimizerSettings) {
  switch (settings.kind) {
    case 'sgd':
      return tf.train.sgd(settings.learningRate);
    case 'momentum':
      return tf.train.momentum(settings.learningRate, settings.momentum, settings.nesterov);
    case 'adam':
      return tf.train.adam(settings.learningRate, settings.beta1, settings.beta2, settings.epsilon);
    default:
      throw new TypeError(`unknown optimizer ${JSON.stringify(settings satisfies never)}`);
  }
}
