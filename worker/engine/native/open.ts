import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { type Engine, type EngineSettings, hostFloat32 } from '../engine.ts';
import { loadAddon } from './addon.ts';
import { NativeEngine } from './engine.ts';
import { opsInPlace } from './in-place.ts';
import { releaseOf } from './release.ts';
import { sessionConfig } from './session-config.ts';
import { opThreads } from './threads.ts';

/** Opens the engine that `npm run native` has staged. Throws EngineError `engineMissing` where it has not. */
export function openNativeEngine(settings: EngineSettings = hostFloat32): Engine {
  const addon = loadAddon(releaseOf(settings.device), env);
  const threads = opThreads(env, availableParallelism());
  const context = addon.createContext(sessionConfig({ opThreads: threads }), '/device:CPU:0', threads);
  return new NativeEngine(addon, context, opsInPlace(addon, context));
}
