import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exitCodes, permanentClasses } from '@hayate/crds/exit-codes.ts';
import { ExchangeError } from '../communication/exchange.ts';
import { EngineError, type EngineErrorCode } from '../engine/engine.ts';
import { engineErrorOf } from '../engine/native/ops.ts';
import { openEngine } from '../engine/open.ts';
import { loadProgram } from '../program/load.ts';
import { buildTraining } from './build.ts';
import { failureOf, withDoctor } from './failure.ts';
import type { ComputeFailure } from './messages.ts';

describe('failureOf', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'hayate-failure-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  const lines = [
    `export default {`,
    `  model: (tf) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1 })] }),`,
    `  loss: 'meanSquaredError',`,
    `  optimizer: () => ({ kind: 'sgd', learningRate: 0.1 }),`,
    `  data: () => [],`,
    `};`,
  ];
  /** What building a program ends in whose line `at` reads `line`. */
  const building = async (name: string, at: number, line: string): Promise<ComputeFailure> => {
    const module = path.join(directory, `${name}.mjs`);
    writeFileSync(module, lines.with(at - 1, line).join('\n'));
    const program = await loadProgram({ module }, directory);
    const request = { program, parameters: {}, batchSize: 2, seed: 1, recycling: true };
    const error = await buildTraining({ ...request, engine: await openEngine('wasm') }).then(
      () => assert.fail('it was built'),
      (thrown: unknown) => thrown,
    );
    return failureOf(error, undefined);
  };

  it('names the line of the program that threw', async () => {
    const inModel = await building(
      'model',
      2,
      `  model: () => { throw new RangeError('seven layers are too many'); },`,
    );
    assert.equal(inModel.class, 'program');
    assert.match(inModel.message, /seven layers are too many.*model\.mjs:2:\d+/);
    const inOptimizer = await building('optimizer', 4, `  optimizer: () => { throw new Error('no idea'); },`);
    assert.match(
      inOptimizer.message,
      /optimizer of the training program threw Error: no idea \(at .*optimizer\.mjs:4:\d+\)/,
    );
  });

  it('names the op that reads data while the model is captured', async () => {
    const failure = await building(
      'reads',
      3,
      `  loss: (tf, y, prediction) => prediction.sub(y).square().mean().add(prediction.dataSync()[0]),`,
    );
    assert.equal(failure.class, 'program');
    assert.equal(failure.reason, 'DataDependent');
  });

  it('names all that is wrong with optimizer settings', async () => {
    const failure = await building('settings', 4, `  optimizer: () => ({ kind: 'momentum', learningRate: NaN }),`);
    assert.equal(failure.class, 'program');
    assert.match(failure.message, /learningRate must be a number of at least 0, not NaN; momentum must be/);
    assert.match((await building('kind', 4, `  optimizer: () => 'adam',`)).message, /sgd \| momentum \| adam/);
  });

  it('keeps the class of what the exchange and the engine report', () => {
    const lost = failureOf(new ExchangeError('peerLost', 'rank 2 is gone', { blamedRank: 2 }), 7);
    assert.deepEqual([lost.class, lost.reason, lost.blamedRank, lost.step], ['peerLost', 'PeerLost', 2, 7]);
    assert.equal(failureOf(new ExchangeError('exchangeTimeout', 'late'), 7).class, 'exchangeTimeout');
    assert.equal(failureOf(new ExchangeError('fenced', 'old'), 7).class, 'fenced');
    assert.equal(failureOf(new RangeError('Array buffer allocation failed'), 7).class, 'outOfMemory');
  });

  it('gives every code of the engine a class, a word and its sentence', () => {
    const cases: Readonly<Record<EngineErrorCode, readonly [ComputeFailure['class'], string, number]>> = {
      engineMissing: ['engineMissing', 'EngineMissing', 15],
      outOfMemory: ['outOfMemory', 'OutOfMemory', 12],
      kernelMissing: ['program', 'KernelMissing', 3],
      kernelFailed: ['program', 'KernelFailed', 3],
    };
    for (const [code, [kind, reason, exit]] of Object.entries(cases)) {
      const failure = failureOf(new EngineError(code as EngineErrorCode, `the sentence of ${code}`), 7);
      assert.deepEqual([failure.class, failure.reason, failure.step], [kind, reason, 7]);
      assert.equal(failure.message, `the sentence of ${code}`);
      assert.equal(exitCodes[failure.class], exit);
    }
  });

  it('tells a device that was lost, which another start may have again, from a kernel that always fails', () => {
    const addonError = (code: string) =>
      Object.assign(new Error('stream: unspecified launch failure'), { code, op: '' });
    const failed = (code: string) => engineErrorOf('MatMul', addonError(code));
    const lost = failureOf(failed('INTERNAL'), 7);
    assert.deepEqual([lost.class, lost.reason, exitCodes[lost.class]], ['deviceFailed', 'KernelFailed', 18]);
    assert.match(lost.message, /MatMul failed: stream: unspecified launch failure/);
    assert.ok(!permanentClasses.has(lost.class));
    assert.equal(failureOf(failed('INVALID_ARGUMENT'), 7).class, 'program');
    assert.equal(failureOf(failed('RESOURCE_EXHAUSTED'), 7).class, 'outOfMemory');
    assert.equal(failureOf(new EngineError('kernelFailed', 'x', { retryable: true }), 7).class, 'deviceFailed');
  });

  it('shows the stack of what nobody foresaw', () => {
    assert.match(failureOf(new TypeError('x is undefined'), 1).message, /x is undefined[\s\S]*failure\.test\.ts/);
    assert.match(failureOf('text', 1).message, /text/);
  });
});

describe('withDoctor', () => {
  it('says where to look when a GPU cannot be used, once', () => {
    const two = new EngineError('engineMissing', '2 GPUs are visible; set CUDA_VISIBLE_DEVICES');
    const told = withDoctor(two, 'gpu');
    assert.ok(told instanceof EngineError);
    assert.match(told.message, /^2 GPUs are visible; set CUDA_VISIBLE_DEVICES; npm run native -- doctor says/);
    assert.deepEqual([failureOf(told, undefined).class, told.cause], ['engineMissing', two]);
    assert.equal(withDoctor(told, 'gpu'), told);
  });

  it('leaves everything else as it was', () => {
    for (const error of [new EngineError('outOfMemory', 'full'), new TypeError('x'), undefined]) {
      assert.equal(withDoctor(error, 'gpu'), error);
    }
    const missing = new EngineError('engineMissing', 'not staged');
    assert.equal(withDoctor(missing, 'cpu'), missing);
  });
});
