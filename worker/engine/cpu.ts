import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { type DataId, type DataType, env, type TensorInfo } from '@tensorflow/tfjs-core';
import type { DType } from '../graph/graph.ts';
import { ByteMeter, bytesPerElement, type Device, elementsOf } from './device.ts';
import type { Engine, HostData } from './engine.ts';
import { KernelEngine } from './kernel-engine.ts';

/** The engine that tests compare with: TensorFlow.js's plain JavaScript backend. Far too slow to train with. */
export async function openCpuEngine(): Promise<Engine> {
  env().set('PROD', true);
  return new KernelEngine(
    cpuDevice(),
    (body) => body(cpuDevice()),
    () => performance.now(),
  );
}

class MeteredCpu extends MathBackendCPU {
  readonly meter = new ByteMeter();
  private readonly counted = new Map<DataId, number>();

  override write(values: never, shape: number[], dtype: DataType): DataId {
    const dataId = super.write(values, shape, dtype);
    const bytes = elementsOf(shape) * bytesPerElement(dtype);
    this.counted.set(dataId, bytes);
    this.meter.hold(bytes);
    return dataId;
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const gone = super.disposeData(dataId, force);
    const bytes = this.counted.get(dataId);
    if (gone && bytes !== undefined) {
      this.counted.delete(dataId);
      this.meter.release(bytes);
    }
    return gone;
  }
}

function cpuDevice(): Device {
  const backend = new MeteredCpu();
  return {
    name: 'cpu',
    backend,
    meter: backend.meter,
    computes: true,
    make: (shape, dtype, values) => backend.makeTensorInfo([...shape], dtype, values?.slice() ?? zeros(shape, dtype)),
    view: (info) => contents(backend, info),
    addressOf: () => undefined,
    retain: (info) => backend.incRef(info.dataId),
    release: (info) => void backend.disposeData(info.dataId),
    withPart: () => {
      throw new TypeError('parts of tensors are for kernels of the wasm engine');
    },
    touched: () => undefined,
  };
}

function contents(backend: MeteredCpu, info: TensorInfo): HostData {
  const data = backend.data.get(info.dataId);
  if (!ArrayBuffer.isView(data.values))
    data.values = typed(data.values as unknown as number[], info.dtype as DType) as never;
  return data.values;
}

function zeros(shape: readonly number[], dtype: DType): HostData {
  return typed(elementsOf(shape), dtype);
}

function typed(from: number | ArrayLike<number>, dtype: DType): HostData {
  if (dtype === 'int32') return new Int32Array(from as number);
  return dtype === 'bool' ? new Uint8Array(from as number) : new Float32Array(from as number);
}
