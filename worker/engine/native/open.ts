import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { type Engine, type EngineSettings, hostFloat32 } from '../engine.ts';
import { type Addon, type Context, loadAddon } from './addon.ts';
import { NativeEngine } from './engine.ts';
import { openOnGpu } from './gpu-context.ts';
import { gpuSettings } from './gpu-settings.ts';
import { opsInPlace } from './in-place.ts';
import { trustedOps } from './own-ops.ts';
import { releaseOf } from './release.ts';
import { sessionConfig } from './session-config.ts';
import { opThreads } from './threads.ts';

/** Opens the engine that `npm run native` has staged. Throws EngineError `engineMissing` where it has not. */
export function openNativeEngine(settings: EngineSettings = hostFloat32): Engine {
  const say = (line: string) => console.error(line);
  const addon = loadAddon(releaseOf(settings.device), env);
  const threads = opThreads(env, availableParallelism());
  const gpu = settings.device === 'gpu' ? gpuSettings(settings.precision, env) : undefined;
  const context = gpu === undefined ? onCpu(addon, threads) : openOnGpu(addon, gpu, threads, say);
  const forwarding = opsInPlace(addon, context);
  if (gpu === undefined) return new NativeEngine(addon, context, forwarding);
  const own = trustedOps(addon, context, say);
  return new NativeEngine(addon, context, forwarding, 'gpu', gpu.imageFormats, gpu.deterministic, own);
}

function onCpu(addon: Addon, threads: number): Context {
  return addon.createContext(sessionConfig({ opThreads: threads }), '/device:CPU:0', threads);
}
