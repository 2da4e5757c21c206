import {
  type backend_util,
  type DataId,
  type DataType,
  getKernelsForBackend,
  registerBackend,
  registerKernel,
  setBackend,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import './cpu.ts';
import type { KernelAttrs, KernelInputs } from './device.ts';
import type { HostData } from './engine.ts';
import { ownWasmKernels, runKernel } from './kernel-table.ts';
import { ShapeBackend, shapeDevice } from './shape-backend.ts';
import { loadWasmModule, withoutArithmetic } from './wasm-module.ts';

/** What a {@link CaptureBackend} tells while a program runs on it. */
export interface Recorder {
  /** Host data became a tensor: a weight, or a constant. */
  data(dataId: DataId, values: HostData, shape: readonly number[], dtype: DataType): void;
  /** A kernel was called; returns its outputs. */
  kernel(name: string, inputs: KernelInputs, attrs: KernelAttrs): TensorInfo | TensorInfo[];
  /** Someone asks for a tensor's contents. */
  read(dataId: DataId): HostData;
}

/** A backend without arithmetic that reports every kernel call to a recorder. */
export class CaptureBackend extends ShapeBackend {
  private recorder: Recorder | undefined;
  private inKernel = false;

  /** Runs `body` with this backend as TensorFlow.js's current one. */
  record<T>(recorder: Recorder, body: () => T): T {
    this.recorder = recorder;
    useBackend(captureName);
    try {
      return body();
    } finally {
      this.recorder = undefined;
      useBackend('cpu');
    }
  }

  /** Shapes of a kernel's outputs, as tensors of this backend. */
  shapesOf(name: string, inputs: KernelInputs, attrs: KernelAttrs): TensorInfo | TensorInfo[] {
    this.inKernel = true;
    try {
      return withoutArithmetic(() => runKernel(shapeDevice(this), name, inputs, attrs));
    } finally {
      this.inKernel = false;
    }
  }

  /** Makes sure that a tensor lives here; one that does not is fetched and reported as data. */
  fetch(dataId: DataId): void {
    this.dataIdMap.get(dataId);
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues | null,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    super.move(dataId, null, shape, dtype, refCount);
    if (values !== null && !this.inKernel) this.recorder?.data(dataId, values as HostData, shape, dtype);
  }

  override readSync(dataId: DataId): HostData {
    if (this.inKernel || this.recorder === undefined) return super.readSync(dataId);
    return this.recorder.read(dataId);
  }

  override read(dataId: DataId): Promise<HostData> {
    return Promise.resolve(this.readSync(dataId));
  }

  reportKernel(name: string, inputs: KernelInputs, attrs: KernelAttrs): TensorInfo | TensorInfo[] {
    if (this.recorder === undefined) throw new Error('nothing is being recorded');
    return this.recorder.kernel(name, inputs, attrs);
  }
}

const captureName = 'hayate-capture';
const stockName = 'hayate-stock';
let backends: Promise<{ capture: CaptureBackend; stock: ShapeBackend }> | undefined;

/**
 * The two backends without arithmetic: `capture` reports to a recorder; `stock` only counts the bytes that
 * TensorFlow.js's own tape would hold on the WASM engine. Registered once a process, for its TensorFlow.js.
 */
export function shapeBackends(): Promise<{ capture: CaptureBackend; stock: ShapeBackend }> {
  backends ??= register();
  return backends;
}

async function register(): Promise<{ capture: CaptureBackend; stock: ShapeBackend }> {
  await loadWasmModule();
  const capture = new CaptureBackend();
  const stock = new ShapeBackend();
  registerBackend(captureName, () => capture);
  registerBackend(stockName, () => stock);
  const names = new Set([...getKernelsForBackend('wasm').map((kernel) => kernel.kernelName), ...ownWasmKernels]);
  for (const kernelName of names) {
    registerKernel({
      kernelName,
      backendName: captureName,
      kernelFunc: ({ inputs, attrs }) => capture.reportKernel(kernelName, named(inputs), attrs ?? {}),
    });
    registerKernel({
      kernelName,
      backendName: stockName,
      kernelFunc: ({ inputs, attrs }) => {
        const run = () => runKernel(shapeDevice(stock), kernelName, named(inputs), attrs ?? {});
        return withoutArithmetic(run);
      },
    });
  }
  useBackend('cpu');
  return { capture, stock };
}

/** Kernels of many equal inputs get them as a list; here the list has the name `tensors`. */
function named(inputs: unknown): KernelInputs {
  return Array.isArray(inputs) ? { tensors: inputs as TensorInfo[] } : (inputs as KernelInputs);
}

/** Runs `body` with the byte-counting stock backend as TensorFlow.js's current one. */
export function onStockBackend<T>(body: () => T): T {
  useBackend(stockName);
  try {
    return body();
  } finally {
    useBackend('cpu');
  }
}

/** Takes effect before it returns, since these backends are made without waiting. Never 'wasm': that would undo the binding of its kernels. */
function useBackend(name: 'cpu' | typeof captureName | typeof stockName): void {
  void setBackend(name);
}
