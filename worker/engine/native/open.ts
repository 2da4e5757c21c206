import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { type Engine, type EngineSettings, hostFloat32 } from '../engine.ts';
import { type Addon, type Context, isAddonError, loadAddon } from './addon.ts';
import { NativeEngine } from './engine.ts';
import { unusableGpu } from './gpu-problems.ts';
import { type GpuSettings, gpuEnvironment, gpuSettings } from './gpu-settings.ts';
import { opsInPlace } from './in-place.ts';
import { trustedOps } from './own-ops.ts';
import { releaseOf } from './release.ts';
import { sessionConfig } from './session-config.ts';
import { opThreads } from './threads.ts';

/** Opens the engine that `npm run native` has staged. Throws EngineError `engineMissing` where it has not. */
export function openNativeEngine(settings: EngineSettings = hostFloat32): Engine {
  const addon = loadAddon(releaseOf(settings.device), env);
  const threads = opThreads(env, availableParallelism());
  const gpu = settings.device === 'gpu' ? gpuSettings(settings.precision, env) : undefined;
  const context = gpu === undefined ? onCpu(addon, threads) : onGpu(addon, gpu, threads);
  const forwarding = opsInPlace(addon, context);
  if (gpu === undefined) return new NativeEngine(addon, context, forwarding);
  const own = trustedOps(addon, context, (line) => console.error(line));
  return new NativeEngine(addon, context, forwarding, 'gpu', gpu.imageFormats, gpu.deterministic, own);
}

function onCpu(addon: Addon, threads: number): Context {
  return addon.createContext(sessionConfig({ opThreads: threads }), '/device:CPU:0', threads);
}

/** More than any GPU has. */
const everythingMib = 2 ** 24;

const gpuName = '/job:localhost/replica:0/task:0/device:GPU:0';

function onGpu(addon: Addon, gpu: GpuSettings, threads: number): Context {
  addon.setEnvironment(gpuEnvironment(gpu));
  try {
    return addon.createContext(
      sessionConfig({ opThreads: threads, gpu }),
      gpuName,
      threads,
      gpu.precision === 'tf32',
      gpu.deterministic,
      gpu.allocator === 'own' ? (gpu.memoryLimitMib ?? everythingMib) : undefined,
    );
  } catch (error) {
    throw isAddonError(error) ? unusableGpu(error) : error;
  }
}
