import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { outputBytes, planTraining } from '../../compute/build.ts';
import type { Graph, ValueId } from '../../graph/graph.ts';
import { Buffers } from '../../memory/buffers.ts';
import type { Event } from '../../memory/event.ts';
import { makesOf } from '../../memory/lifetimes.ts';
import { loadBuiltin } from '../../program/load.ts';
import { parseParameters } from '../../program/parameters.ts';
import { compileProgram, needHeaders, type Program } from './checks/program.ts';

/** What there is after an order; bytes, but for the numbers of what the driver was asked for and has not got back. */
interface After {
  answer: number;
  calls: number;
  taken: number;
  usable: number;
  handles: number;
  pieces: number;
  addresses: number;
  inUse: number;
  peak: number;
  reserved: number;
}

const fields = 'answer calls taken usable handles pieces addresses inUse peak reserved'.split(' ');
const gib = 2 ** 30;
const rounded = (bytes: number) => Math.ceil(bytes / 512) * 512;

/** A buffer of as many bytes is taken. */
interface Take {
  take: number;
}
/** One of those that are there is given back. */
interface Give {
  give: number;
}

describe('memory of our own on a GPU', () => {
  let program: Program;

  before(async function () {
    this.timeout(120_000);
    needHeaders(this);
    const own = ['gpu_memory_gpu', 'gpu_range_gpu', 'best_fit', 'cuda_driver_gpu'];
    const checks = ['-fsanitize=undefined', '-fno-sanitize-recover=undefined', '-D_GLIBCXX_ASSERTIONS'];
    program = await compileProgram('gpu-memory', own, ['-Wall', ...checks]);
  });
  after(async () => program?.remove());

  const follow = (orders: readonly string[]): After[] => {
    const input = `${orders.join('\n')}\n`;
    const options = { input, encoding: 'utf8', maxBuffer: 1 << 26 } as const;
    const { status, stdout, stderr } = spawnSync(program.file, options);
    assert.equal(status, 0, stderr);
    const rows = stdout.trimEnd().split('\n');
    assert.equal(rows.length, orders.length);
    return rows.map((row) => Object.fromEntries(row.split(' ').map((text, at) => [fields[at], Number(text)])) as never);
  };

  const someBytes = fc.oneof(
    fc.integer({ min: 1, max: 4096 }),
    fc.integer({ min: 1, max: 8 << 20 }),
    fc.integer({ min: 1, max: 200 << 20 }),
  );
  const someOrders = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ take: someBytes }) },
      { weight: 2, arbitrary: fc.record({ give: fc.nat() }) },
    ),
    { minLength: 1, maxLength: 120 },
  );

  /** The same with numbers of buffers that are there. */
  const withNumbers = (orders: readonly (Take | Give)[]): string[] => {
    const alive: number[] = [];
    let taken = 0;
    const lines = orders.flatMap((order) => {
      if ('take' in order) {
        alive.push(taken++);
        return [`take ${order.take}`];
      }
      return alive.length === 0 ? [] : [`give ${alive.splice(order.give % alive.length, 1)[0]}`];
    });
    return [...lines, ...alive.map((number) => `give ${number}`)];
  };

  it('gives each buffer memory of its own, which the driver has given and gets back', () => {
    fc.assert(
      fc.property(someOrders, (orders) => {
        const lines = withNumbers(orders);
        const rows = follow([`gpu ${141 * gib}`, ...lines, 'trim', 'end']).slice(1);
        const buffers: { start: number; bytes: number }[] = [];
        const alive = new Set<{ start: number; bytes: number }>();
        lines.forEach((line, at) => {
          const { answer, taken, usable, reserved, handles, inUse } = rows[at] as After;
          const [what, number] = line.split(' ') as [string, string];
          if (what === 'take') {
            const made = { start: answer, bytes: Number(number) };
            assert.equal(made.start % 512, 0);
            for (const { start, bytes } of alive) {
              assert.ok(start + bytes <= made.start || made.start + made.bytes <= start, `${line} is not alone`);
            }
            assert.ok(made.start + made.bytes <= usable);
            buffers.push(made);
            alive.add(made);
          } else alive.delete(buffers[Number(number)] as never);
          assert.equal(
            inUse,
            [...alive].reduce((sum, { bytes }) => sum + rounded(bytes), 0),
          );
          assert.deepEqual([usable, reserved, handles], [taken, taken, 0]);
        });
        const [trimmed, ended] = rows.slice(-2) as [After, After];
        assert.deepEqual([trimmed.taken, trimmed.pieces, trimmed.inUse], [0, 0, 0]);
        assert.deepEqual([ended.answer, ended.addresses], [1, 0]);
      }),
      { numRuns: 60 },
    );
  });

  it('says that there is no more, and goes on with what there is', () => {
    const rows = follow([
      `gpu ${100 << 20}`,
      `take ${60 << 20}`,
      `take ${50 << 20}`,
      `take ${39 << 20}`,
      'give 0',
      'end',
    ]);
    assert.deepEqual(
      rows.slice(1, 4).map(({ answer }) => answer),
      [0, -1, 60 << 20],
    );
    // 8 MiB at a time would not have fitted the last time.
    assert.equal(rows[3]?.taken, 100 << 20);
    assert.equal(rows[4]?.inUse, 39 << 20);
  });

  it('never takes more than it may', () => {
    const rows = follow([
      `gpu ${gib} ${30 << 20}`,
      `take ${20 << 20}`,
      `take ${9 << 20}`,
      `take ${2 << 20}`,
      'give 0',
      'end',
    ]);
    assert.deepEqual(
      rows.slice(1, 4).map(({ answer, taken }) => [answer, taken]),
      [
        [0, 24 << 20],
        [20 << 20, 30 << 20],
        [-1, 30 << 20],
      ],
    );
  });

  it('keeps nothing that it could not make usable', () => {
    const rows = follow([`gpu ${gib}`, 'unreachable 1', 'take 100', 'unreachable 0', 'take 100', 'end']);
    const [refused, taken] = [rows[2], rows[4]] as [After, After];
    assert.deepEqual([refused.answer, refused.taken, refused.handles, refused.pieces, refused.inUse], [-1, 0, 0, 0, 0]);
    assert.deepEqual([taken.answer, taken.inUse], [0, 512]);
  });

  it('gives back what lies behind all buffers, and only that', () => {
    const takes = [100, 50 << 20, 90 << 20].map((bytes) => `take ${bytes}`);
    const rows = follow([`gpu ${gib}`, ...takes, 'give 1', 'trim', 'give 2', 'trim', 'take 100', 'end']);
    const [first, second, again] = [rows[5], rows[7], rows[8]] as [After, After, After];
    assert.equal(first.taken, rows[3]?.taken);
    assert.equal(second.taken, 8 << 20); // a piece goes whole
    assert.equal(again.answer, 512);
  });

  it("counts TensorFlow's own memory beside it, and both at their highest together", () => {
    const rows = follow([
      `gpu ${gib}`,
      'take 1024',
      'theirs 5000', // beside 1,024
      'theirs 1000',
      'take 2048', // beside 1,000
      'give 0',
      'clear',
      'theirs 3000',
      'end',
    ]);
    const known = rows.slice(1, -1).map(({ inUse, peak }) => [inUse, peak]);
    assert.deepEqual(known, [
      [1024, 1024],
      [6024, 6024],
      [2024, 6024],
      [4072, 6024],
      [3048, 6024],
      [3048, 3048],
      [5048, 5048],
    ]);
  });

  for (const [name, batchSize] of [
    ['alexnet', 128],
    ['vgg16', 64],
    ['resnet50', 64],
  ] as const) {
    it(`reaches 3 % farther at most than what steps of ${name} hold, and then asks for nothing`, async function () {
      this.timeout(60_000);
      const program = await loadBuiltin(name);
      const request = { program, parameters: parseParameters(program, {}), batchSize, seed: 1, recycling: true };
      const { graph, plan } = await planTraining(request, outputBytes, true);
      const orders = ordersOf(graph, plan.steady.events, 12);
      const rows = follow([`gpu ${141 * gib}`, `take ${plan.baseBytes}`, ...orders.flat(), 'end']);
      const last = rows[rows.length - 2] as After;
      assert.ok(last.reserved <= 1.03 * last.peak, `${last.reserved} bytes for ${last.peak}`);
      const quiet = rows[rows.length - 2 - (orders.at(-1)?.length ?? 0)] as After;
      assert.equal(last.calls, quiet.calls);
    });
  }
});

/** What steps one behind the other take and give, a list a step. Buffer 0 is there already. */
function ordersOf(graph: Graph, events: readonly Event[], steps: number): string[][] {
  const alive = new Buffers(graph);
  for (const { value } of [...graph.variables, ...graph.constants]) alive.made(value);
  const numbers = new Map<string, number>();
  let taken = 1;
  const take = (what: string, bytes: number): string => {
    numbers.set(what, taken++);
    return `take ${bytes}`;
  };
  const give = (what: string): string[] => {
    const number = numbers.get(what);
    numbers.delete(what);
    return number === undefined ? [] : [`give ${number}`];
  };
  const bytesOf = (root: ValueId) => graph.values[root]?.bytes ?? 0;
  const ordersFor = (event: Event): string[] => {
    if (event.kind === 'fetch') return [take(`room ${event.bucket}`, 4 * event.elements)];
    if (event.kind === 'release') return give(`room ${event.bucket}`);
    if (event.kind === 'free') {
      // The first step gives back what a step before it would have left.
      const root = alive.freed(event.value);
      return root === undefined ? [] : give(`value ${root}`);
    }
    return makesOf(graph, event).flatMap((value) => {
      const root = alive.made(value);
      return root === undefined ? [] : [take(`value ${root}`, bytesOf(root))];
    });
  };
  const carried = new Set(events.filter((event) => event.kind === 'stay').map(({ value }) => value));
  for (const value of carried) alive.made(value);
  return Array.from({ length: steps }, () => events.flatMap(ordersFor));
}
