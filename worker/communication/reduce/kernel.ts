import { treeSumWasm } from './generated/tree-sum.ts';

/**
 * Adds the contributions of all ranks in the order of schedule/tree.ts. Addresses are bytes into the shared memory; `bytes` is a
 * multiple of 4. The destination overlaps no source.
 */
export type TreeSum = (destination: number, sources: readonly number[], bytes: number) => void;

/** A memory that kernels of several threads share; can be posted to them. */
export interface KernelMemory {
  readonly buffer: SharedArrayBuffer;
}

interface Kernel {
  treeSum(destination: number, sources: number, count: number, bytes: number, scratch: number): void;
}

/** What we use of the global that Node's type declarations leave out. */
interface WebAssemblyGlobal {
  Memory: new (limits: { initial: number; maximum: number; shared: true }) => KernelMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: KernelMemory } }) => { exports: unknown };
}
const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: WebAssemblyGlobal };

const pageBytes = 65_536;
/** One 8 KiB block for every level of the tree. */
const blocksBytes = 16 * 8192;

/** Bytes that the kernel of one thread needs for itself. */
export function scratchBytes(worldSize: number): number {
  return blocksBytes + 4 * worldSize;
}

/** A zeroed memory of at least `bytes`. */
export function sharedMemory(bytes: number): KernelMemory {
  const pages = Math.max(1, Math.ceil(bytes / pageBytes));
  return new wasm.Memory({ initial: pages, maximum: pages, shared: true });
}

/** The SIMD kernel over `memory`. `scratch`: this thread's own {@link scratchBytes} there. */
export function createTreeSum(memory: KernelMemory, scratch: number): TreeSum {
  const module = new wasm.Module(Buffer.from(treeSumWasm, 'base64'));
  const kernel = new wasm.Instance(module, { env: { memory } }).exports as Kernel;
  const sources = scratch + blocksBytes;
  return (destination, from, bytes) => {
    new Uint32Array(memory.buffer, sources, from.length).set(from);
    kernel.treeSum(destination, sources, from.length, bytes, scratch);
  };
}
