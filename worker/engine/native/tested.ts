import { env } from 'node:process';
import type { EngineSettings } from '../engine.ts';
import { type Addon, loadAddon } from './addon.ts';
import { cpuRelease } from './release.ts';
import { stagingProblem } from './staged.ts';

/** What the tests of the native engine run on: the CPU, or the GPU of this machine where HAYATE_TEST_DEVICE is gpu. */
export const tested: EngineSettings = {
  device: env['HAYATE_TEST_DEVICE'] === 'gpu' ? 'gpu' : 'cpu',
  precision: 'float32',
};

/** The addon for CPUs; where it is not staged, the suite that asks says so and is left out. */
export function stagedAddon(suite: Mocha.Context): Addon {
  const problem = stagingProblem(env, 'cpu');
  if (problem !== undefined) {
    console.log(`      left out: ${problem}`);
    suite.skip();
  }
  return loadAddon(cpuRelease, env);
}
