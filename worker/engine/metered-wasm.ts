import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { backend_util, DataId, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { ByteMeter, bytesPerElement, elementsOf } from './device.ts';
import type { HostData } from './engine.ts';

type WasmModule = BackendWasm['wasm'];

interface Buffer {
  id: number;
  memoryOffset: number;
  shape: number[];
  dtype: DataType;
  refCount: number;
}

/** Tensor ids are keys inside the WASM module, which all backends of a process share. */
let nextId = 1;

/** TensorFlow.js's WASM backend with every buffer counted, temporaries inside kernels included. */
export class MeteredWasm extends BackendWasm {
  readonly meter = new ByteMeter();
  private readonly counted = new Map<DataId, number>();

  constructor(wasm: WasmModule) {
    super(wasm);
    Object.defineProperty(this, 'dataIdNextNumber', {
      get: () => nextId,
      set: (id: number) => {
        nextId = id;
      },
    });
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues | null,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    super.move(dataId, null, shape, dtype, refCount);
    const bytes = elementsOf(shape) * bytesPerElement(dtype);
    const { memoryOffset } = this.bufferOf({ dataId });
    if (memoryOffset === 0 && bytes > 0) {
      // The backend would take this for an address, and write over what lies there.
      super.disposeData(dataId, true);
      throw new RangeError(`allocation failed: ${bytes} bytes beside ${this.meter.live} in WebAssembly's memory`);
    }
    if (values !== null) {
      const { buffer, byteOffset } = values as HostData;
      const { HEAPU8: heap } = this.wasm as unknown as { HEAPU8: Uint8Array };
      heap.set(new Uint8Array(buffer, byteOffset, bytes), memoryOffset);
    }
    this.counted.set(dataId, bytes);
    this.meter.hold(bytes);
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

  /** In the WASM heap. */
  addressOf(info: TensorInfo): number {
    return this.bufferOf(info).memoryOffset;
  }

  /** XNNPACK keeps packed weights under the tensor's id; a new id makes it pack again. */
  renew(info: TensorInfo): void {
    const buffer = this.bufferOf(info);
    this.wasm.tfjs.disposeData(buffer.id);
    buffer.id = nextId++;
    this.wasm.tfjs.registerTensor(buffer.id, elementsOf(buffer.shape), buffer.memoryOffset);
  }

  /** Runs `body` on a tensor that lies inside the buffer of `info`, `start` elements from its beginning. */
  withPart<T>(info: TensorInfo, start: number, shape: readonly number[], body: (part: TensorInfo) => T): T {
    const offset = this.bufferOf(info).memoryOffset + start * bytesPerElement(info.dtype);
    const part = this.makeOutput([...shape], info.dtype, offset);
    try {
      return body(part);
    } finally {
      this.wasm.tfjs.disposeData(this.bufferOf(part).id);
      (this as unknown as { dataIdMap: Map<DataId, Buffer> }).dataIdMap.delete(part.dataId);
    }
  }

  private bufferOf(info: Pick<TensorInfo, 'dataId'>): Buffer {
    return (this as unknown as { dataIdMap: Map<DataId, Buffer> }).dataIdMap.get(info.dataId) as Buffer;
  }
}
