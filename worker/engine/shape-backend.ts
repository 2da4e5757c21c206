import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { DataId, TensorInfo } from '@tensorflow/tfjs-core';
import type { Device } from './device.ts';
import { elementsOf } from './device.ts';
import type { HostData } from './engine.ts';
import { MeteredWasm } from './metered-wasm.ts';

/** A WASM module without memory: nothing lies behind the address that it hands out. */
function emptyModule(): BackendWasm['wasm'] {
  const nothing = () => undefined;
  return {
    _malloc: () => 64,
    _free: nothing,
    HEAPU8: { set: nothing },
    tfjs: {
      init: nothing,
      initWithThreadsCount: nothing,
      getThreadsCount: () => 1,
      registerTensor: nothing,
      disposeData: nothing,
      dispose: nothing,
    },
  } as unknown as BackendWasm['wasm'];
}

/** The WASM backend's twin that knows shapes and bytes only. Kernels must run on it under `withoutArithmetic`. */
export class ShapeBackend extends MeteredWasm {
  private zeros = new ArrayBuffer(0);
  private scratch = new ArrayBuffer(0);

  constructor() {
    super(emptyModule());
  }

  /** Zeros: kernels look at indices to check their range. */
  override readSync(dataId: DataId): HostData {
    const { shape, dtype } = (this as unknown as { dataIdMap: Map<DataId, TensorInfo> }).dataIdMap.get(
      dataId,
    ) as TensorInfo;
    if (this.zeros.byteLength < elementsOf(shape) * 4) this.zeros = new ArrayBuffer(elementsOf(shape) * 4);
    return typed(this.zeros, shape, dtype);
  }

  override typedArrayFromHeap({ shape, dtype }: TensorInfo): HostData {
    if (this.scratch.byteLength < elementsOf(shape) * 4) this.scratch = new ArrayBuffer(elementsOf(shape) * 4);
    return typed(this.scratch, shape, dtype);
  }
}

function typed(buffer: ArrayBuffer, shape: readonly number[], dtype: string): HostData {
  const elements = elementsOf(shape);
  if (dtype === 'int32') return new Int32Array(buffer, 0, elements);
  return dtype === 'bool' ? new Uint8Array(buffer, 0, elements) : new Float32Array(buffer, 0, elements);
}

/** A device on which kernels allocate but do not compute. */
export function shapeDevice(backend: ShapeBackend): Device {
  return { ...wasmDevice(backend), computes: false };
}

/** The device of a WASM backend. */
export function wasmDevice(backend: MeteredWasm): Device {
  return {
    name: 'wasm',
    backend,
    meter: backend.meter,
    computes: true,
    make: (shape, dtype, values) => backend.makeOutput([...shape], dtype, undefined, values),
    view: (info) => backend.typedArrayFromHeap(info),
    addressOf: (info) => backend.addressOf(info),
    retain: (info) => backend.incRef(info.dataId),
    release: (info) => void backend.disposeData(info.dataId),
    withPart: (info, start, shape, body) => backend.withPart(info, start, shape, body),
    touched: (info) => backend.renew(info),
  };
}
