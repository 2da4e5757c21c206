import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Engine } from '../../worker/engine/engine.ts';
import { Lagging } from '../../worker/engine/lagging.ts';
import { openEngine } from '../../worker/engine/open.ts';
import { measureCopies } from './copies-measure.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const bench = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'copies', ...args]);
const noGraph = () => {
  throw new Error('nothing is computed');
};

describe('bench copies', () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine('cpu');
  });
  after(() => engine.dispose());

  /** A clock by which every wait for a copy takes some milliseconds. */
  const measured = (device: Engine, waitMs: number) => {
    let ms = 0;
    const wait = (transfer: number) => {
      ms += waitMs;
      device.wait(transfer);
    };
    const waiting = Object.assign(Object.create(device) as Engine, { wait });
    return measureCopies(waiting, { elements: 1000, copies: 3, repeats: 5, clock: () => ms });
  };

  it('times all copies together, each way and both, on a device that copies as late as it may', () => {
    const device = new Lagging(engine, noGraph, () => 0.5).engine;
    assert.deepEqual(measured(device, 10), { toHost: 0.03, toDevice: 0.01, bothWays: 0.04 });
    assert.equal(device.liveBytes(), 0);
  });

  it('says where other numbers come than were sent', () => {
    const read = (handle: Parameters<Engine['read']>[0]) => engine.read(handle).fill(7, 2999);
    assert.throws(() => measured(Object.assign(Object.create(engine) as Engine, { read }), 1), {
      message: 'number 2999 on the device is 7, and 2999 was sent',
    });
    const send: Engine['send'] = (handle, target, first) =>
      engine.send(handle, target.subarray(0, target.length - 1), first);
    assert.throws(() => measured(Object.assign(Object.create(engine) as Engine, { send }), 1), {
      message: 'number 999 on the host is 0, and 999 was sent',
    });
  });

  it('prints one document, or a table', async () => {
    const { stdout } = await bench('--engine', 'wasm', '--bytes', '4096,1048576', '--repeats', '2', '--json');
    const { bench: name, repeats, results } = JSON.parse(stdout);
    assert.deepEqual([name, repeats], ['copies', 2]);
    assert.deepEqual(
      results.map(({ bytes, copies }: Record<string, number>) => [bytes, copies]),
      [
        [4096, 64],
        [1048576, 64],
      ],
    );
    for (const result of results) {
      for (const way of ['toHost', 'toDevice', 'bothWays']) assert.ok(result[`${way}GigabytesPerSecond`] > 0);
    }
    const table = await bench('--engine', 'wasm', '--bytes', '4096', '--repeats', '2');
    assert.match(
      table.stdout,
      /bytes +copies +to the host +to the device +both ways, each\n +4,096 +64( +[\d.]+ GB\/s){3}\n$/,
    );
  });

  for (const [args, sentence] of [
    [['--bytes', '4,6,10'], /^--bytes 6,10: multiples of 4 are needed, they are float32 numbers\n$/],
    [['--bytes', '0'], /^--bytes 0: a whole number from 4 to \d+ is needed\n$/],
    [['--engine', 'cpu'], /^--engine cpu: wasm or native is needed\n$/],
    [['--engine', 'wasm', '--device', 'gpu'], /^--device gpu needs --engine native\n$/],
  ] as const) {
    it(`refuses ${args.join(' ')}`, () =>
      assert.rejects(bench(...args), ({ code, stderr }: { code: number; stderr: string }) => {
        assert.match(stderr, sentence);
        return code === 2;
      }));
  }
});
