import { env } from 'node:process';
import { engineContract } from '../contract.ts';
import { openEngine } from '../open.ts';
import { stagingProblem } from './staged.ts';

describe('native engine', () => {
  before(function () {
    const problem = stagingProblem(env);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
  });

  engineContract(() => openEngine('native'));
});
