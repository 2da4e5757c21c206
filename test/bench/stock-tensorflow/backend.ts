import { existsSync, realpathSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import type { EngineSettings } from '../../../worker/engine/engine.ts';
import { type Tensor, type Tf, tf } from '../../../worker/engine/tf.ts';
import { type StockPaths, stockPaths } from './paths.ts';

export interface StockBackend {
  name: string;
  /** Bytes that the device's allocator has held at most since the last call; undefined where it does not count. */
  takePeakBytes: () => number | undefined;
}

/** What is used of NodeJSKernelBackend. */
type NodeBackend = ReturnType<Tf['findBackend']> & {
  isUsingGpuDevice: boolean;
  executeSingleOutput(op: string, attributes: object[], inputs: Tensor[]): Tensor;
};

/** What its kernels are registered for. */
const name = 'tensorflow';

/** The package that it runs on, and one that passes that on together with much that is not used here. */
const core = '@tensorflow/tfjs-core';
const whole = '@tensorflow/tfjs';

const unitBytes = 256; // allocator_peak.cc

/**
 * TensorFlow.js's own Node backend, registered with the TensorFlow.js of this checkout: two copies of its core do not
 * mix. A process has one, of the first device and precision. Throws RangeError where it is not set up, or finds no GPU
 * where one is asked for.
 */
export function openStockBackend({ device, precision }: EngineSettings): StockBackend {
  const paths = stockPaths(process.env, device);
  if (!existsSync(paths.folder)) {
    throw new RangeError(
      `--engine stock-node: it is not set up here; run npm run bench -- stock-setup --device ${device}`,
    );
  }
  configure(precision);
  const opened = tf.findBackend(name) as NodeBackend | null;
  const backend = opened ?? load(paths);
  if (device === 'gpu' && !backend.isUsingGpuDevice) {
    throw new RangeError('--device gpu: TensorFlow finds no GPU; npm run native -- doctor says why');
  }
  if (opened === null) tf.registerBackend(name, () => backend);
  return { name, takePeakBytes: () => (device === 'gpu' ? takePeakBytes(backend) : undefined) };
}

/** TensorFlow and CUDA read these when they are loaded. */
function configure(precision: EngineSettings['precision']): void {
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['TF_ENABLE_ONEDNN_OPTS'] ??= '1';
  if (precision === 'float32') process.env['NVIDIA_TF32_OVERRIDE'] = '0';
  else delete process.env['NVIDIA_TF32_OVERRIDE'];
}

function load({ folder, modules, binding }: StockPaths): NodeBackend {
  const require = createRequire(new URL('../../../worker/engine/tf.ts', import.meta.url));
  const ourCore = require.resolve(core);
  const inside = `${pathToFileURL(realpathSync(folder)).href}/`;
  registerHooks({
    resolve: (specifier, context, next) => {
      const isCore = context.parentURL?.startsWith(inside) === true && (specifier === core || specifier === whole);
      return next(isCore ? ourCore : specifier, context);
    },
  });
  restoreRemoved();
  const dist = path.join(modules, '@tensorflow/tfjs-node', 'dist');
  require(path.join(dist, 'register_all_kernels.js'));
  type Constructor = new (binding: unknown, packageName: string) => NodeBackend;
  const { NodeJSKernelBackend } = require(path.join(dist, 'nodejs_kernel_backend.js')) as {
    NodeJSKernelBackend: Constructor;
  };
  return new NodeJSKernelBackend(require(binding), '@tensorflow/tfjs-node');
}

/** Functions that the package calls and that Node 24 no longer has. */
function restoreRemoved(): void {
  const old = util as unknown as Record<string, (value: unknown) => boolean>;
  old['isNullOrUndefined'] ??= (value) => value === null || value === undefined;
  old['isArray'] ??= Array.isArray;
}

function takePeakBytes(backend: NodeBackend): number | undefined {
  const told = backend.executeSingleOutput('HayateBenchAllocatorPeak', [], []);
  const [, peakUnits] = told.dataSync();
  told.dispose();
  return peakUnits === undefined || peakUnits <= 0 ? undefined : peakUnits * unitBytes;
}
