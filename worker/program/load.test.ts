import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadProgram } from './load.ts';
import { parseParameters } from './parameters.ts';
import { ConfigurationError, ProgramError } from './program-error.ts';

describe('loadProgram', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'hayate-program-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  const write = (name: string, text: string) => {
    writeFileSync(path.join(directory, name), text);
    return name;
  };
  const load = (module: string) => loadProgram({ module }, directory);
  const refused = async (module: string, code: ProgramError['code'], ...sentences: RegExp[]) => {
    const error = await load(module).then(
      () => assert.fail('it was loaded'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ProgramError, String(error));
    assert.equal(error.code, code);
    for (const sentence of sentences) assert.match(error.message, sentence);
  };
  const program = `{
    parameters: z.object({ learningRate: z.number().positive().default(0.1), deep: z.object({ on: z.boolean() }).optional() }),
    model: (tf) => tf.sequential({ layers: [] }),
    loss: 'meanSquaredError',
    optimizer: () => ({ kind: 'sgd', learningRate: 1 }),
    data: () => [],
  }`;
  const imports = `import { defineTraining } from '@hayate/worker';\nimport { z } from 'zod';\n`;

  it('loads what comes with Hayate', async () => {
    for (const builtin of ['mnist', 'alexnet', 'vgg16', 'resnet50'] as const) {
      assert.equal(typeof (await loadProgram({ builtin }, directory)).model, 'function');
    }
  });

  it('loads TypeScript from any folder, which may import @hayate/worker and zod', async () => {
    const module = write(
      'typed.ts',
      `${imports}const rate: number = 1;\nvoid rate;\nexport default defineTraining(${program});`,
    );
    assert.equal((await load(module)).loss, 'meanSquaredError');
    assert.equal((await load(path.join(directory, module))).loss, 'meanSquaredError');
  });

  it('loads JavaScript, and a plain object', async () => {
    assert.equal(
      (await load(write('plain.mjs', `import { z } from 'zod';\nexport default ${program};`))).loss,
      'meanSquaredError',
    );
  });

  it('says where it looked for a module that does not exist', async () => {
    await refused(
      'absent.ts',
      'moduleMissing',
      /no program at .*absent\.ts \(training\.program\.module is absent\.ts\)/,
    );
  });

  it('names everything that is wrong with a default export at once', async () => {
    const module = write(
      'wrong.mjs',
      `export default { model: 3, loss: 'L2', data: () => [], epochs: 4, evaluate: 1, parameters: {} };`,
    );
    await refused(
      module,
      'notAProgram',
      /model must be a function/,
      /optimizer must be a function/,
      /loss must be one of softmaxCrossEntropy/,
      /epochs is not part/,
      /evaluate must be a function/,
      /parameters must be a zod schema/,
    );
    await refused(write('none.mjs', 'export const x = 1;'), 'notAProgram', /no default export/);
    await refused(write('text.mjs', `export default 'x';`), 'notAProgram', /is a string/);
  });

  it('names what a module that cannot be loaded threw, imported or misspelt', async () => {
    await refused(
      write('throws.mjs', `throw new Error('no GPU at home');`),
      'moduleFailed',
      /throws\.mjs cannot be loaded: no GPU at home/,
    );
    await refused(write('imports.mjs', `import 'left-pad-x';`), 'moduleFailed', /left-pad-x/);
    await refused(write('syntax.ts', 'export default {{;'), 'moduleFailed', /syntax\.ts cannot be loaded/);
    await refused(
      write('tf.mjs', `import * as tf from '@tensorflow/tfjs';`),
      'moduleFailed',
      /get TensorFlow\.js as their argument tf/,
    );
  });
});

describe('parseParameters', () => {
  const load = () => loadProgram({ builtin: 'mnist' }, '.');

  it('fills in defaults', async () => {
    assert.deepEqual(parseParameters(await load(), {}), { learningRate: 0.01 });
  });

  it('names every wrong and every unknown parameter at once', async () => {
    const program = await load();
    assert.throws(
      () => parseParameters(program, { learningRate: 'fast', learningrate: 0.1 }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /training\.parameters\.learningrate: the program has no such parameter/);
        assert.match(error.message, /training\.parameters\.learningRate: /);
        assert.equal(error.problems.length, 2);
        return true;
      },
    );
  });
});
