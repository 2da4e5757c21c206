import { env } from 'node:process';
import type { EngineSettings } from '../engine.ts';

/** What the tests of the native engine run on: the CPU, or the GPU of this machine where HAYATE_TEST_DEVICE is gpu. */
export const tested: EngineSettings = {
  device: env['HAYATE_TEST_DEVICE'] === 'gpu' ? 'gpu' : 'cpu',
  precision: 'float32',
};
