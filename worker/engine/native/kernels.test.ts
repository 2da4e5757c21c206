import assert from 'node:assert/strict';
import { env } from 'node:process';
import type { Node } from '../../graph/graph.ts';
import { elementsOf } from '../device.ts';
import type { Engine, Handle } from '../engine.ts';
import { openEngine } from '../open.ts';
import { generator } from '../random.ts';
import { cases, type KernelCase, type Operand } from './kernel-cases.ts';
import { kernels } from './kernels/table.ts';
import { stagingProblem } from './staged.ts';
import { tested } from './tested.ts';

/** Largest difference between engines, relative to the largest element. */
const tolerance = 1e-5;

describe(`kernels of the native engine on the ${tested.device}`, () => {
  let native: Engine;
  let wasm: Engine;
  let worst = { kernel: '', off: 0 };

  before(async function () {
    const problem = stagingProblem(env, tested.device);
    if (problem !== undefined) {
      console.log(`      left out: ${problem}`);
      this.skip();
    }
    native = await openEngine('native', tested);
    wasm = await openEngine('wasm');
  });
  after(() => {
    console.log(`      worst difference from the wasm engine: ${worst.off.toExponential(1)} (${worst.kernel})`);
  });

  for (const subject of cases) {
    it(`${subject.kernel} ${subject.what ?? ''} gives what the wasm engine gives, in the bytes predicted`, () => {
      const [mine, theirs] = [run(native, subject), run(wasm, subject)];
      assert.equal(mine.length, theirs.length);
      mine.forEach((output, at) => {
        const other = theirs[at]!;
        assert.deepEqual([output.shape, output.dtype], [other.shape, other.dtype]);
        const off = distance(output.values, other.values);
        if (off > worst.off) worst = { kernel: subject.kernel, off };
        assert.ok(off <= tolerance, `output ${at} is off by ${off}`);
      });
    });
  }

  it('are all compared', () => {
    const compared = new Set(cases.map(({ kernel }) => kernel));
    assert.deepEqual(
      [...kernels.keys()].filter((name) => !compared.has(name)),
      [],
    );
  });
});

function run(engine: Engine, { kernel, inputs, attrs }: KernelCase) {
  const random = generator(5);
  const operands = Object.values(inputs).flat();
  const handles = operands.map((operand) => upload(engine, operand, random));
  let at = 0;
  const take = () => at++;
  const ids = Object.fromEntries(
    Object.entries(inputs).map(([name, given]) => [name, Array.isArray(given) ? given.map(take) : take()]),
  );
  const handlesOf = (given: number | number[]) =>
    typeof given === 'number' ? handles[given]! : given.map((id) => handles[id]!);
  const node: Node = { id: 0, kernel, inputs: ids, attrs: attrs ?? {}, outputs: [], layer: 1, role: 'forward' };
  const before = engine.liveBytes();
  engine.resetPeak();
  const named = Object.fromEntries(Object.entries(ids).map(([name, given]) => [name, handlesOf(given)]));
  const outputs = engine.run(node, named);
  if (engine.name === 'native') {
    const shapes = (id: number) => ({ shape: handles[id]!.shape, dtype: handles[id]!.dtype });
    assert.equal(engine.peakBytes() - before, engine.runBytes(node, shapes), 'peak is not what was predicted');
    const kept = new Map(outputs.map((handle) => [handle.buffer, handle]));
    const aliases = handles.filter(({ buffer }) => kept.has(buffer)).length;
    const bytes = [...kept.values()].reduce((sum, handle) => sum + bytesOf(handle), 0);
    if (aliases === 0) assert.equal(engine.liveBytes() - before, bytes, 'a temporary is left');
  }
  const results = outputs.map((handle) => ({
    shape: [...handle.shape],
    dtype: handle.dtype,
    values: [...engine.read(handle)],
  }));
  for (const handle of [...outputs, ...handles]) engine.free(handle);
  return results;
}

const bytesOf = ({ shape, dtype }: Handle) => elementsOf(shape) * (dtype === 'bool' ? 1 : 4);

function upload(engine: Engine, operand: Operand, random: () => number): Handle {
  const { shape, dtype = 'float32', from = -1, to = 1, values } = operand;
  const length = elementsOf(shape);
  const draw = (_: unknown, at: number) => {
    const value = values?.[at] ?? from + (to - from) * random();
    return dtype === 'float32' ? value : Math.floor(value);
  };
  const data =
    dtype === 'float32'
      ? Float32Array.from({ length }, draw)
      : dtype === 'int32'
        ? Int32Array.from({ length }, draw)
        : Uint8Array.from({ length }, draw);
  return engine.upload(data, shape, dtype);
}

function distance(a: readonly number[], b: readonly number[]): number {
  const scale = Math.max(1e-3, ...b.filter(Number.isFinite).map(Math.abs));
  return Math.max(0, ...a.map((value, at) => (Object.is(value, b[at]) ? 0 : Math.abs(value - b[at]!) / scale)));
}
