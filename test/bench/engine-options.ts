import { type Engine, EngineError, type EngineSettings } from '../../worker/engine/engine.ts';
import { openEngine } from '../../worker/engine/open.ts';

/** Options that say where and how precisely is computed, for node:util's parseArgs. */
export const engineOptions = {
  device: { type: 'string', default: 'cpu' },
  precision: { type: 'string', default: 'float32' },
} as const;

/** Throws RangeError for what is no device. */
export function deviceOption(text: string): EngineSettings['device'] {
  if (text === 'cpu' || text === 'gpu') return text;
  throw new RangeError(`--device ${text}: cpu or gpu is needed`);
}

/** Throws RangeError for what makes no sense. */
export function engineSettings(values: { device: string; precision: string }): EngineSettings {
  const device = deviceOption(values.device);
  const { precision } = values;
  if (precision !== 'float32' && precision !== 'tf32') {
    throw new RangeError(`--precision ${precision}: float32 or tf32 is needed`);
  }
  if (precision === 'tf32' && device === 'cpu') throw new RangeError('--precision tf32 is for GPUs; add --device gpu');
  return { device, precision };
}

/** Opens what was asked for. Throws RangeError where it is missing here. */
export async function openAsked(name: 'wasm' | 'native', settings: EngineSettings): Promise<Engine> {
  try {
    return await openEngine(name, settings);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'engineMissing') throw error;
    throw new RangeError(`--engine ${name}: ${error.message}`, { cause: error });
  }
}
