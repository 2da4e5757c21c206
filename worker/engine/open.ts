import { env } from 'node:process';
import { openCpuEngine } from './cpu.ts';
import { type Engine, type EngineName, type EngineSettings, hostFloat32 } from './engine.ts';
import { refuseLimitAboveGpu } from './native/memory-limit.ts';
import { openNativeEngine } from './native/open.ts';
import { openWasmEngine } from './wasm.ts';

/** Opens an engine on the calling thread. Throws {@link EngineError} `engineMissing` where it is not installed. */
export async function openEngine(name: EngineName, settings: EngineSettings = hostFloat32): Promise<Engine> {
  switch (name) {
    case 'wasm':
      return openWasmEngine();
    case 'cpu':
      return openCpuEngine();
    case 'native':
      if (settings.device === 'gpu') await refuseLimitAboveGpu(env);
      return openNativeEngine(settings);
    default:
      return unknown(name);
  }
}

function unknown(name: never): never {
  throw new TypeError(`unknown engine ${String(name)}`);
}
